"""Peers' own tests, run as they are against an endpoint of ours: what came of each case.

Each suite gets what it has at home from outside: models of the names it asks for, a port, commands
that it runs. Only after `apart.set_up`, which has the paths and ports that they name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.peers import standins
from tests.peers.page import Case
from tests.peers.postman import ask, read_collection, read_environment
from tests.support.endpoint import PROJECT, running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


SHIMS = Path(__file__).with_name("shims")
TOOLKIT, TRITON, CLIENT, MMS = (
    "sagemaker-inference-toolkit", "server", "client", "multi-model-server",
)  # fmt: skip
"""The folders of the checkouts, as `git clone` calls them."""
TIMEOUT_S, START_TIMEOUT_S = 400, 200
PYTEST = (
    "pytest",
    "-q",
    "-s",
    "-p",
    "peers_plugin",
    "-p",
    "no:cacheprovider",
    "-c",
    os.devnull,
    "--rootdir=/",
)
UNITTEST = ("peers_unittest",)
TOOLKIT_SUITE, TRITON_SUITE, CLIENT_SUITE, MMS_SUITE = "toolkit", "triton", "client", "mms"
PICTURES = ("resnet_152", "resnet_18")
CONTAINER = {
    "SAGEMAKER_MULTI_MODEL": "true",
    "SAGEMAKER_BIND_TO_PORT": "8080",
    "MME_ALLOW_CODE": "1",
}


def folders(peers: Path, scratch: Path) -> dict[str, Path]:
    """Make the models; returns the folders that must be there, by path."""
    models = scratch / "models"
    standins.add_sub(models / "123456789abcdefghi" / "model", "sm_mme_model_1")
    standins.identity(models / "987654321ihgfedcba" / "model", "sm_mme_model_2")
    standins.ensemble(
        models / "123456789ensemble" / "model", peers / TRITON / "qa" / "python_models"
    )
    places = {"/opt/ml/models": models}
    for name in PICTURES:
        standins.classifier(scratch / name)
        places[f"/{name}"] = scratch / name
    return places


def toolkit(peers: Path, scratch: Path) -> Iterator[Case]:
    """The test of the inference toolkit, which starts a container by `docker`: ours."""
    environment = CONTAINER | {
        "PATH": f"{SHIMS}{os.pathsep}{os.environ['PATH']}",
        "PEERS_PID": str(scratch / "container.pid"),
        "PEERS_PYTHON": sys.executable,
        "PEERS_SERVE": str(PROJECT / "serve.py"),
        # Its models are at the root.
        "MME_MODELS_DIR": "/",
    }
    file = peers / TOOLKIT / "test" / "integration" / "local" / "test_dummy_multi_model.py"
    # As its own sleeps are: it gives a container a minute to start.
    yield from _tests(PYTEST, file, peers / TOOLKIT, scratch, environment, sleep_s=60)


def triton(peers: Path, scratch: Path) -> Iterator[Case]:
    """The test of Triton's multi-model front end, beside which it looks for ../common."""
    qa = peers / TRITON / "qa"
    here = scratch / "L0_sagemaker"
    here.mkdir()
    (scratch / "common").symlink_to(qa / "common")
    file = qa / "L0_sagemaker" / "sagemaker_multi_model_test.py"
    with _endpoint(scratch, TRITON_SUITE, CONTAINER):
        yield from _tests(UNITTEST, file, here, scratch, CONTAINER, sleep_s=0.5)


def client(peers: Path, scratch: Path) -> Iterator[Case]:
    """The HTTP examples of tritonclient in Python, which find their server at localhost:8000."""
    store = scratch / "store"
    store.mkdir()
    made = scratch / "made"
    standins.add_sub(made / "simple", "simple")
    standins.add_sub(made / "simple_string", "simple_string", "STRING")
    standins.text_identity(made / "simple_identity", "simple_identity")
    for number in range(4):  # one of the examples counts seven models
        standins.identity(made / f"another_{number}", f"another_{number}")
    for folder in made.iterdir():
        standins.packed(folder, store / f"{folder.name}-1.tar.gz")
    (store / "models-id.json").write_text(json.dumps({f.name: "1" for f in made.iterdir()}))
    settings = {"MME_PORT": "8000", "MME_STORE": str(store), "MME_ALLOW_CODE": "1"}
    examples = peers / CLIENT / "src" / "python" / "examples"
    with _endpoint(scratch, CLIENT_SUITE, settings) as endpoint:
        # Triton has all models loaded when it is asked.
        load = requests.post(f"{endpoint.url}/v2/repository/models/simple/load", timeout=60)
        sys.stderr.write(f"load of simple: {load.status_code} {load.text[:300]}\n")
        for file in sorted(examples.glob("simple_http_*.py")):
            for options in _variants(file.read_text()):
                yield _example(file, options, scratch)


def mms(peers: Path, scratch: Path) -> Iterator[Case]:
    """The collections of the model server; both of its ports are our one."""
    folder = peers / MMS / "test" / "postman"
    variables = read_environment(folder / "environment.json") | {"mgmt-port": "8080"}
    row = json.loads((folder / "inference_data.json").read_bytes())[0]
    variables |= {key: str(value) for key, value in row.items()}
    with _endpoint(scratch, MMS_SUITE, CONTAINER):
        for kind in ("management", "inference"):
            collection = folder / f"{kind}_api_test_collection.json"
            for number, asked in enumerate(read_collection(collection, variables), 1):
                passed, said = ask(asked, peers / MMS)
                yield Case(MMS_SUITE, f"{kind} {number}: {asked.name}", passed, said)


def _endpoint(scratch: Path, name: str, settings: Mapping[str, str]):
    (scratch / name).mkdir()
    return running_endpoint(
        "/opt/ml/models", scratch / name, settings, start_timeout_s=START_TIMEOUT_S
    )


def _tests(
    runner: Sequence[str],
    file: Path,
    folder: Path,
    scratch: Path,
    environment: Mapping[str, str],
    *,
    sleep_s: float,
) -> Iterator[Case]:
    """Run a file of tests in `folder`; a sleep of theirs takes at most `sleep_s`."""
    suite = TOOLKIT_SUITE if runner is PYTEST else TRITON_SUITE
    results = scratch / f"{suite}.jsonl"
    given = dict(environment) | {
        "PEERS_RESULTS": str(results),
        "PEERS_MOST_SLEEP_S": str(sleep_s),
        "PYTHONPATH": str(SHIMS),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ended = subprocess.run(
        [sys.executable, "-m", *runner, str(file)], cwd=folder, env=os.environ | given,
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    if not results.exists():
        raise SystemExit(f"{file} did not run:\n{ended.stdout}{ended.stderr}")
    for line in results.read_text().splitlines():
        yield Case(suite, **json.loads(line))


def _variants(source: str) -> Iterator[Sequence[str]]:
    """Ways to call an example: as it is, and with compressed bodies where it has options for it."""
    yield ()
    if "--request-compression-algorithm" in source:
        for kind in ("gzip", "deflate"):
            yield (f"--request-compression-algorithm={kind}",
                   f"--response-compression-algorithm={kind}")  # fmt: skip


def _example(file: Path, options: Sequence[str], scratch: Path) -> Case:
    ended = subprocess.run(
        [sys.executable, str(file), *options], cwd=scratch, capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    lines = (ended.stdout + ended.stderr).strip().splitlines()
    name = " ".join([file.stem, *(each.rpartition("=")[2] for each in options[:1])])
    return Case(CLIENT_SUITE, name, ended.returncode == 0, " ".join(lines[-2:])[:300])
