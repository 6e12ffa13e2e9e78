"""Prefork workers under the stock front end: who ends with whom, and what stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from mme.memory import anonymous_bytes
from tests.support.endpoint import PROJECT, processes_with, running_endpoint
from tests.support.processes import (
    parent,
    pids_of,
    run_dir,
    server_and_workers,
    wait_until,
    wait_until_gone,
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
    (servers_own,) = (run_dir(endpoint) / "tmp").iterdir()
    assert servers_own.is_socket()
    lifelines = run_dir(endpoint) / "prefork" / "lifelines"
    wait_until(lambda: not list(lifelines.iterdir()), "empty lifelines")


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


@pytest.mark.timeout(400)
def test_two_thousand_loads_and_unloads_leave_nothing_behind(endpoint):
    cycle(endpoint, 200)  # what grows once and for all has grown then
    wait_until(lambda: not server_and_workers(endpoint)[1], "the last worker's end")
    wait_until(lambda: not pids_of(endpoint, "/bin/sh"), "the last launcher's end")
    before, held_before = footprint(endpoint), memory_held(endpoint)
    cycle(endpoint, 1800)
    # No more than before, when the last of them may still have been about to go.
    wait_until(
        lambda: all(now <= before[name] for name, now in footprint(endpoint).items()),
        f"a footprint of no more than {before}",
    )
    grown = {name: held - held_before[name] for name, held in memory_held(endpoint).items()}
    assert grown["endpoint"] < 16 * MIB, grown
    assert grown["prefork"] < 4 * MIB, grown
    assert grown["front end"] < 128 * MIB, grown  # its heap may still grow, up to its bound


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
        "prefork": anonymous_bytes(server_and_workers(endpoint)[0]),
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
