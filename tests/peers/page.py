"""What came of peers' tests as a page, and why some of them do not pass here, case by case."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from tests.support.endpoint import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


DOCUMENT = PROJECT / "docs" / "conformance-peers.md"
HEADER = """# Other servers' own tests

Tests that other servers have of themselves, or of their clients, run as they are against this one;
none of their code is here. They want checkouts of the four projects in one folder, Linux, and
`unshare`:

<!-- not run: needs checkouts of other projects -->
```console
$ make peers PEERS=/path/of/the/folder
```

What they find at home they are given from outside: models of the names they ask for
(`tests/peers/standins.py`), `/opt/ml/models` and the ports they name in namespaces of their own,
and for the inference toolkit's test a `docker` that starts our container's program. Long sleeps of
theirs are cut. A case that differs and is not known to, or is known to and passes, is a
failure. `make peers WRITE=1` writes this file anew; it was written with
"""
TOOLKIT = """## The SageMaker inference toolkit

`test/integration/local/test_dummy_multi_model.py`, against a multi-model container. Its models,
here scripts in the toolkit's form, are folders of the root, so `MME_MODELS_DIR=/`.
"""
TRITON = """## Triton's SageMaker front end

`qa/L0_sagemaker/sagemaker_multi_model_test.py`, against a multi-model container. The ensemble is
their own, put together as their script does it, but for the step that they generate.
"""
CLIENT = """## tritonclient's examples

`src/python/examples/simple_http_*.py`, against a standalone endpoint; one that can pack its bodies
is run so, too. Examples for gRPC are not.
"""
MMS = """## Multi Model Server's collections

The requests of `test/postman/management_api_test_collection.json`, and for the first row of its
data `inference_api_test_collection.json`, in their order, against a multi-model container; the
answers' statuses are held against those that the scripts take. The container has one port and
speaks HTTP: both of MMS's ports are that one, and the collection for HTTPS is not run.
"""
INTRODUCED = {"toolkit": TOOLKIT, "triton": TRITON, "client": CLIENT, "mms": MMS}
QUERY = (
    "a load is JSON, as SageMaker sends it; query parameters, and models of the web, are not read"
)
UNLOADED = "not loaded, since the load before differs"
SCALE = "workers start and end by themselves; SageMaker has no such call"
FOLDER = (
    "`modelUrl` is the folder that the load named, as SageMaker has it; Triton's is the one above"
)
MEMORY = "shared memory is not offered"
REGISTERING = (1, 8, 9, 11)
MODEL_CALLS = (2, 7, 10)
SCALING = (4, 5, 6, 14, 15, 16, 17, 18, 22)


@dataclass(frozen=True)
class Case:
    """One test of a peer's, and what came of it."""

    suite: str
    name: str
    passed: bool
    said: str
    """What it said when it failed."""


def _management() -> Iterator[tuple[int, str]]:
    for numbers, why in ((REGISTERING, QUERY), (MODEL_CALLS, UNLOADED), (SCALING, SCALE)):
        yield from ((number, why) for number in numbers)


DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "toolkit": {},
    "triton": {
        "test_sm_2_model_list": FOLDER,
        "test_sm_3_model_get": FOLDER,
    },
    "client": {
        "simple_http_cudashm_client": MEMORY,
        "simple_http_health_metadata": "wants the server to be called `triton`",
        "simple_http_model_control": "changes a configuration; a model here is its artifact",
        "simple_http_sequence_sync_infer_client": "sequences of requests are not kept together",
        "simple_http_shm_client": MEMORY,
        "simple_http_shm_string_client": MEMORY,
    },
    "mms": {
        **{f"management {number}": why for number, why in _management()},
        "inference 1": QUERY,
        "inference 2": "`/predictions` is MMS's own; a platform asks `/models/{name}/invoke`",
        "inference 3": UNLOADED,
    },
}
"""Suite -> case, or what is before the colon in its name -> why it differs."""


def why(case: Case) -> str | None:
    """Why a case is known to differ."""
    known = DIFFERENCES[case.suite]
    return known.get(case.name, known.get(case.name.partition(":")[0]))


def line(case: Case) -> str:
    """A case for the terminal."""
    if case.passed:
        return f"ok   {case.suite}: {case.name}"
    return f"{'FAIL' if why(case) is None else 'diff'} {case.suite}: {case.name}: {case.said}"


def unexpected(cases: Iterable[Case]) -> list[str]:
    """What is not as it is known to be, in words."""
    found = []
    for case in cases:
        if case.passed and why(case) is not None:
            found.append(f"{case.suite}: {case.name} passes, and is among the differences")
        elif not case.passed and why(case) is None:
            found.append(f"{case.suite}: {case.name} differs: {case.said}")
    return found


def as_markdown(cases: Sequence[Case], commits: Mapping[str, str]) -> str:
    """The page. `commits`: the folder of each checkout -> the commit it is at."""
    lines = [HEADER.rstrip("\n"), ""]
    lines += [f"- {name} at {commit}" for name, commit in commits.items()]
    for suite, group in groupby(cases, key=lambda case: case.suite):
        some = list(group)
        passed = sum(case.passed for case in some)
        lines += ["", INTRODUCED[suite], f"{passed} of {len(some)} pass.", ""]
        lines += ["| case | |", "|---|---|"]
        lines += [f"| {case.name} | {_seen(case)} |" for case in some]
    return "\n".join(lines) + "\n"


def _seen(case: Case) -> str:
    return "passes" if case.passed else f"differs: {why(case) or case.said}"
