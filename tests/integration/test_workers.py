"""Workers under the stock model server: what shares them, what ends them, what stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from mme.memory import anonymous_bytes
from tests.support.archives import tar_gz
from tests.support.endpoint import PROJECT, processes_with, running_endpoint
from tests.support.processes import (
    parent,
    pids_of,
    run_dir,
    template_and_workers,
    wait_until,
    wait_until_gone,
    workers,
)

SIMILARITY = "DocSim.tar.gz"
MIB = 1024 * 1024


@pytest.fixture
def endpoint(tmp_path):
    (tmp_path / "store").mkdir()
    for n in range(3):
        shutil.copy(PROJECT / "artifacts" / SIMILARITY, tmp_path / "store" / f"m{n}.tar.gz")
    with running_endpoint(str(tmp_path / "store"), tmp_path) as running:
        yield running


def ask(endpoint, target="m0.tar.gz"):
    return (
        endpoint.client()
        .invoke_endpoint(
            EndpointName="demo", TargetModel=target, ContentType="text/csv", Body="Impfstoff,Erbgut"
        )["Body"]
        .read()
    )


def test_models_share_the_pools_workers(endpoint):
    before = workers(endpoint)
    for n in range(3):
        ask(endpoint, f"m{n}.tar.gz")
    assert workers(endpoint) == before
    template, _ = template_and_workers(endpoint)
    assert all(parent(pid) == template for pid in before)
    assert all(len(list(Path(f"/proc/{pid}/task").iterdir())) == 1 for pid in before)
    assert len(pids_of(endpoint, "/bin/sh")) == len(before)  # the launchers


def test_workers_are_ready_to_be_killed_and_the_endpoint_is_not(endpoint):
    for pid in workers(endpoint):
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) >= 500
    assert int(Path(f"/proc/{endpoint.process.pid}/oom_score_adj").read_text()) < 500


def test_an_unloaded_model_leaves_memory_and_no_worker_ends(endpoint):
    ask(endpoint)
    before = workers(endpoint)
    assert requests.delete(f"{endpoint.url}/models/m0.tar.gz", timeout=30).status_code == 200
    assert workers(endpoint) == before
    assert state(endpoint) == "on-disk"
    ask(endpoint)
    assert state(endpoint) == "ready"


def state(endpoint, target="m0.tar.gz") -> str:
    return requests.get(f"{endpoint.url}/models/{target}", timeout=10).json()["state"]


@pytest.mark.parametrize("victim", ["worker", "launcher"])
def test_killed_workers_are_replaced_and_no_request_fails(endpoint, victim):
    first = ask(endpoint)
    before = workers(endpoint)
    for pid in before if victim == "worker" else pids_of(endpoint, "/bin/sh"):
        os.kill(pid, signal.SIGKILL)
    assert ask(endpoint) == first
    wait_until_gone(before)
    wait_until(lambda: len(workers(endpoint)) == len(before), "workers in their place")
    assert ask(endpoint) == first


def test_a_stopped_worker_is_replaced_and_its_request_answered_by_another(endpoint):
    first = ask(endpoint)
    before = workers(endpoint)
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    assert ask(endpoint) == first
    wait_until(lambda: set(workers(endpoint)).isdisjoint(before[:1]), "the end of one")
    for pid in before:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_when_the_model_server_is_killed_requests_wait_for_the_next_pool(endpoint):
    first = ask(endpoint)
    before = [*workers(endpoint), *pids_of(endpoint, "/bin/sh")]
    for pid in pids_of(endpoint, "ModelServer"):
        os.kill(pid, signal.SIGKILL)
    assert ask(endpoint) == first
    assert ask(endpoint, "m1.tar.gz") == first
    wait_until_gone(before)


def test_when_the_template_is_killed_workers_serve_on_and_new_artifacts_wait_for_the_next(endpoint):
    first = ask(endpoint)
    template, before = template_and_workers(endpoint)
    os.kill(template, signal.SIGKILL)
    assert ask(endpoint) == first
    assert ask(endpoint, "m1.tar.gz") == first
    assert workers(endpoint) == before


def test_when_the_endpoint_itself_is_killed_nothing_goes_on_running(endpoint):
    ask(endpoint)
    template, forks = template_and_workers(endpoint)
    everyone = [template, *forks, *pids_of(endpoint, "/bin/sh"), *pids_of(endpoint, "ModelServer")]
    endpoint.process.kill()
    endpoint.process.wait()
    wait_until_gone(everyone)


@pytest.mark.timeout(400)
def test_ten_thousand_loads_and_unloads_leave_nothing_behind(endpoint):
    cycle(endpoint, 400)  # what grows once and for all has grown then
    before, held_before = footprint(endpoint), memory_held(endpoint)
    cycle(endpoint, 9600)
    wait_until(
        lambda: all(now <= before[name] for name, now in footprint(endpoint).items()),
        f"a footprint of no more than {before}",
    )
    grown = {name: held - held_before[name] for name, held in memory_held(endpoint).items()}
    assert grown["endpoint"] < 16 * MIB, grown
    assert grown["template"] < 4 * MIB, grown
    assert grown["workers"] < 16 * MIB, grown
    assert grown["front end"] < 16 * MIB, grown


def cycle(endpoint, times) -> None:
    """Load and unload, two models side by side."""

    def go(target: str) -> None:
        with requests.Session() as session:
            for _ in range(times // 2):
                loaded = session.post(f"{endpoint.url}/models", json={"target_model": target})
                assert loaded.status_code == 200, loaded.text
                gone = session.delete(f"{endpoint.url}/models/{target}")
                assert gone.status_code == 200, gone.text

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(go, ("m1.tar.gz", "m2.tar.gz")))


def memory_held(endpoint) -> dict[str, int]:
    (front_end,) = pids_of(endpoint, "ModelServer")
    return {
        "endpoint": anonymous_bytes(endpoint.process.pid),
        "template": anonymous_bytes(template_and_workers(endpoint)[0]),
        "workers": sum(map(anonymous_bytes, workers(endpoint))),
        "front end": anonymous_bytes(front_end),
    }


def footprint(endpoint) -> dict[str, int]:
    """What must not grow: processes, descriptors but for kept connections, files."""
    return {
        "processes": len(processes_with(str(run_dir(endpoint)))),
        "descriptors": sum(
            not str(fd.readlink()).startswith("socket:")
            for fd in Path(f"/proc/{endpoint.process.pid}/fd").iterdir()
        ),
        "template descriptors": sum(
            1 for _ in Path(f"/proc/{template_and_workers(endpoint)[0]}/fd").iterdir()
        ),
        "files": sum(1 for _ in run_dir(endpoint).rglob("*")),
    }


def english_keyphrases() -> bytes:
    """The sample artifact for keyphrases, as if it were of English texts."""
    files = {}
    with tarfile.open(PROJECT / "artifacts" / "TopicalPageRank.tar.gz") as archive:
        for member in archive:
            if (content := archive.extractfile(member)) is not None:
                files[member.name.removeprefix("./")] = content.read()
    params = json.loads(files["TopicalPageRank-params.json"])
    files["TopicalPageRank-params.json"] = json.dumps(params | {"language": "en"}).encode()
    return tar_gz(files)


def test_a_pipeline_that_the_template_lacks_is_learned_once_for_all_workers(endpoint, tmp_path):
    ask(endpoint)
    for name in ("en1", "en2"):
        (tmp_path / "store" / f"{name}.tar.gz").write_bytes(english_keyphrases())
    before = workers(endpoint)
    phrases = [keyphrases(endpoint, f"{name}.tar.gz") for name in ("en1", "en2")]
    assert phrases[0] == phrases[1]
    assert phrases[0]["pipeline"] == "built-in en"
    endpoint.wait_for_log("all new workers have the pipeline en")
    assert endpoint.log.count("a template with it is being prepared") == 1
    wait_until(
        lambda: len(workers(endpoint)) == len(before) and not {*before} & {*workers(endpoint)},
        "all workers to be replaced",
    )
    ask(endpoint)


def keyphrases(endpoint, target) -> dict:
    answer = endpoint.client().invoke_endpoint(
        EndpointName="demo",
        TargetModel=target,
        ContentType="application/json",
        Body=json.dumps({"text": "The government plans a new tax on electricity."}),
    )
    return json.load(answer["Body"])


def test_through_the_model_server_the_answers_are_the_same(endpoint, tmp_path):
    first = ask(endpoint)
    settings = {"MME_INVOKE": "mms"}
    with running_endpoint(str(tmp_path / "store"), tmp_path / "mms", settings) as other:
        assert ask(other) == first
        assert json.loads(first)


def test_each_model_can_have_a_process_of_its_own(endpoint, tmp_path):
    first = ask(endpoint)
    settings = {"MME_ISOLATION": "model"}
    with running_endpoint(str(tmp_path / "store"), tmp_path / "own", settings) as other:
        assert workers(other) == []
        assert ask(other) == ask(other, "m1.tar.gz") == first
        own = workers(other)
        assert len(own) == 2
        model_dirs = {Path(f"/proc/{pid}/cwd").readlink() for pid in own}
        assert len(model_dirs) == 2
        assert all(Path(folder, "DocSim-params.json").is_file() for folder in model_dirs)
        requests.delete(f"{other.url}/models/m0.tar.gz", timeout=30)
        wait_until(lambda: len(workers(other)) == 1, "the end of one")
        assert ask(other) == first
