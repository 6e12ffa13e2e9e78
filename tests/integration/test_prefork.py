"""Prefork workers under the stock front end: who ends with whom, and what stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import requests

from tests.support.endpoint import PROJECT, processes_with, running_endpoint

SIMILARITY = "DocSim.tar.gz"


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


def run_dir(endpoint) -> Path:
    return next(endpoint.run_dir_parent.glob("mme-*"))


def pids_of(endpoint, words) -> list[int]:
    lines = processes_with(str(run_dir(endpoint)))
    return [int(pid) for pid, command in (x.split(": ", 1) for x in lines) if words in command]


def parent(pid) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def server_and_workers(endpoint):
    everyone = pids_of(endpoint, "mme.prefork")
    server = next(pid for pid in everyone if parent(pid) == endpoint.process.pid)
    return server, [pid for pid in everyone if pid != server]


def is_running(pid) -> bool:
    """Whether a process runs; one that only waits to be collected by somebody does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids, tries=200_000) -> None:
    for _ in range(tries):
        if not any(is_running(pid) for pid in pids):
            return
        os.sched_yield()
    pytest.fail(f"still running: {[pid for pid in pids if is_running(pid)]}")


def test_a_model_is_one_worker_and_one_launcher(endpoint):
    ask(endpoint)
    ask(endpoint, "m1.tar.gz")
    server, forks = server_and_workers(endpoint)
    assert len(forks) == 2
    assert all(parent(pid) == server for pid in forks)
    assert all(len(list(Path(f"/proc/{pid}/task").iterdir())) == 1 for pid in forks)
    launchers = [pid for pid in pids_of(endpoint, "/bin/sh") if parent(pid) != server]
    assert len(launchers) == 2


def test_workers_have_their_own_folder_environment_and_readiness_to_be_killed(endpoint):
    ask(endpoint)
    _, (worker,) = server_and_workers(endpoint)
    model_dir = Path(f"/proc/{worker}/cwd").readlink()
    assert Path(model_dir, "DocSim-params.json").is_file()
    assert int(Path(f"/proc/{worker}/oom_score_adj").read_text()) >= 500
    assert int(Path(f"/proc/{endpoint.process.pid}/oom_score_adj").read_text()) < 500


def test_unloading_ends_worker_and_launcher_and_leaves_no_file(endpoint):
    ask(endpoint)
    _, forks = server_and_workers(endpoint)
    requests.delete(f"{endpoint.url}/models/m0.tar.gz", timeout=30)
    wait_until_gone(forks)
    assert pids_of(endpoint, "/bin/sh") == []
    assert list((run_dir(endpoint) / "tmp").iterdir()) == []
    wait_for_empty(run_dir(endpoint) / "prefork" / "lifelines")


def wait_for_empty(folder, tries=20_000) -> None:
    for _ in range(tries):
        if not list(folder.iterdir()):
            return
    pytest.fail(f"{folder} holds {list(folder.iterdir())}")


def test_a_killed_worker_takes_its_launcher_along_and_comes_back_when_asked_for(endpoint):
    first = ask(endpoint)
    _, (worker,) = server_and_workers(endpoint)
    (launcher,) = pids_of(endpoint, "/bin/sh")
    os.kill(worker, signal.SIGKILL)
    wait_until_gone([worker, launcher])
    assert ask(endpoint) == first


def test_a_killed_launcher_takes_its_worker_along_and_the_model_comes_back(endpoint):
    first = ask(endpoint)
    _, forks = server_and_workers(endpoint)
    (launcher,) = pids_of(endpoint, "/bin/sh")
    os.kill(launcher, signal.SIGKILL)
    wait_until_gone([launcher, *forks])
    assert ask(endpoint) == first


def test_when_the_front_end_is_killed_all_launchers_and_workers_are_gone(endpoint):
    first = ask(endpoint)
    ask(endpoint, "m1.tar.gz")
    _, forks = server_and_workers(endpoint)
    launchers = pids_of(endpoint, "/bin/sh")
    for pid in pids_of(endpoint, "ModelServer"):
        os.kill(pid, signal.SIGKILL)
    wait_until_gone([*forks, *launchers])
    assert ask(endpoint) == first


def test_when_the_prefork_server_is_killed_workers_serve_on_and_loads_wait_for_the_next(endpoint):
    first = ask(endpoint)
    server, forks = server_and_workers(endpoint)
    os.kill(server, signal.SIGKILL)
    assert ask(endpoint) == first
    assert ask(endpoint, "m1.tar.gz") == first
    assert all(Path(f"/proc/{pid}").exists() for pid in forks)
    assert requests.delete(f"{endpoint.url}/models/m0.tar.gz", timeout=30).status_code == 200
    wait_until_gone(forks)


def test_when_the_endpoint_itself_is_killed_nothing_goes_on_running(endpoint):
    ask(endpoint)
    server, forks = server_and_workers(endpoint)
    everyone = [server, *forks, *pids_of(endpoint, "/bin/sh"), *pids_of(endpoint, "ModelServer")]
    endpoint.process.kill()
    endpoint.process.wait()
    wait_until_gone(everyone)


def test_many_loads_and_unloads_leave_nothing_behind(endpoint):
    ask(endpoint)
    before = footprint(endpoint)
    for n in range(100):
        target = f"m{1 + n % 2}.tar.gz"
        loaded = requests.post(f"{endpoint.url}/models", json={"target_model": target}, timeout=30)
        assert loaded.status_code == 200, loaded.text
        gone = requests.delete(f"{endpoint.url}/models/{target}", timeout=30)
        assert gone.status_code == 200, gone.text
    for _ in range(100):  # the last ones may be on their way out
        if (after := footprint(endpoint)) == before:
            return
    assert after == before


def footprint(endpoint) -> dict[str, int]:
    """What must not grow: processes, the endpoint's descriptors, files."""
    return {
        "processes": len(processes_with(str(run_dir(endpoint)))),
        "descriptors": sum(
            not str(fd.readlink()).startswith("socket:")
            for fd in Path(f"/proc/{endpoint.process.pid}/fd").iterdir()
        ),
        "prefork descriptors": sum(
            1 for _ in Path(f"/proc/{server_and_workers(endpoint)[0]}/fd").iterdir()
        ),
        "files": sum(1 for _ in run_dir(endpoint).rglob("*")),
    }


def test_stock_workers_answer_the_same(endpoint, tmp_path):
    first = ask(endpoint)
    with running_endpoint(
        str(tmp_path / "store"), tmp_path / "stock", {"MME_WORKERS": "spawn"}
    ) as stock:
        assert ask(stock) == first
        assert json.loads(first)
