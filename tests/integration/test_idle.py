"""Idle to zero with real processes: all gone, and back with the first request."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest
from botocore.exceptions import ClientError

from mme.core.settings import Settings
from mme.mms import find_java
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

IDLE_S = "1"
MIB = 1024 * 1024
STORE = str(PROJECT / "artifacts")
GATEWAY_BYTES = 120 * MIB


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with running_endpoint(
        STORE, tmp_path_factory.mktemp("idle"), {"MME_IDLE_S": IDLE_S}
    ) as running:
        yield running


def ask(endpoint, target="DocSim.tar.gz"):
    answer = endpoint.client().invoke_endpoint(
        EndpointName="any", TargetModel=target, ContentType="text/csv", Body="Wagen,Wagen"
    )
    return answer["Body"].read()


def get(endpoint, path):
    with urllib.request.urlopen(endpoint.url + path) as answer:  # noqa: S310 - our own
        return json.load(answer)


def processes(endpoint):
    return psutil.Process(endpoint.process.pid).children(recursive=True)


def memory_bytes(endpoint):
    """What all its processes take, with their shares of what they share."""
    everyone = [psutil.Process(endpoint.process.pid), *processes(endpoint)]
    return sum(each.memory_full_info().pss for each in everyone)


def fall_idle(endpoint):
    """Return when the endpoint has no processes but its own."""
    endpoint.log_lines.clear()
    endpoint.wait_for_log("the workers go down")
    psutil.wait_procs(processes(endpoint), timeout=10)
    assert not processes(endpoint)


def test_the_first_of_many_requests_brings_everything_back_and_all_are_answered(endpoint):
    before = ask(endpoint)
    fall_idle(endpoint)
    with ThreadPoolExecutor(8) as threads:
        assert {*threads.map(lambda _: ask(endpoint), range(8))} == {before}
    assert endpoint.log.count("back after") == 1
    assert processes(endpoint)


def test_memory_falls_to_the_gateways_own_each_time(endpoint):
    for _ in range(3):
        ask(endpoint)
        awake_bytes = memory_bytes(endpoint)
        fall_idle(endpoint)
        assert memory_bytes(endpoint) < min(GATEWAY_BYTES, awake_bytes / 2)


def test_a_resting_endpoint_is_healthy_and_lists_its_models_without_waking(endpoint):
    ask(endpoint)
    fall_idle(endpoint)
    assert get(endpoint, "/ping") == {"status": "Healthy"}
    (state,) = (
        each["state"]
        for each in get(endpoint, "/models")["models"]
        if each["target_model"] == "DocSim.tar.gz"
    )
    assert state == "on-disk"
    assert get(endpoint, "/models/DocSim.tar.gz")["state"] == "on-disk"
    assert not processes(endpoint)


def test_an_artifact_that_is_new_here_is_admitted_after_a_rest(endpoint):
    ask(endpoint)
    fall_idle(endpoint)
    assert ask(endpoint, "en/DocSim.tar.gz")


def test_a_worker_that_goes_down_with_the_rest_is_no_alarm(endpoint):
    ask(endpoint)
    fall_idle(endpoint)
    assert "died" not in endpoint.log
    assert "ERROR" not in endpoint.log


def test_requests_that_come_while_it_goes_down_are_answered(endpoint):
    """Many go down moments, hit by requests that come as soon as the log tells of each."""
    before = ask(endpoint)
    for _ in range(3):
        endpoint.log_lines.clear()
        endpoint.wait_for_log("the workers go down")
        assert ask(endpoint) == before


def test_models_with_a_process_of_their_own_come_back_too(tmp_path):
    settings = {"MME_IDLE_S": IDLE_S, "MME_ISOLATION": "model"}
    with running_endpoint(STORE, tmp_path, settings) as running:
        before = ask(running)
        fall_idle(running)
        assert ask(running) == before


def test_one_that_cannot_come_back_says_why_and_comes_back_once_it_can(tmp_path):
    java, broken = _breakable_java(tmp_path)
    with running_endpoint(STORE, tmp_path, {"MME_IDLE_S": IDLE_S, "MME_JAVA": java}) as running:
        before = ask(running)
        fall_idle(running)
        broken.touch()
        for _ in range(2):
            with pytest.raises(ClientError) as caught:
                ask(running)
            assert caught.value.response["Error"]["Code"] == "ModelNotReadyException"
            assert "model server ended with code 3" in caught.value.response["Error"]["Message"]
        assert not processes(running)
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(running, "/ping")
        broken.unlink()
        assert ask(running) == before
        assert get(running, "/ping") == {"status": "Healthy"}
        assert running.stop() == 0


def test_a_resting_endpoint_stops_at_once(tmp_path):
    with running_endpoint(STORE, tmp_path, {"MME_IDLE_S": IDLE_S}) as running:
        fall_idle(running)
        began_s = time.monotonic()
        assert running.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began_s < 5


def test_one_that_is_told_to_stop_while_it_goes_down_leaves_nothing(tmp_path):
    with running_endpoint(STORE, tmp_path, {"MME_IDLE_S": IDLE_S}) as running:
        everyone = processes(running)
        running.wait_for_log("the workers go down")
        assert running.stop(signal.SIGTERM) == 0
        assert not [each for each in everyone if each.is_running()]


def test_one_that_is_told_to_stop_while_it_comes_back_answers_first_and_leaves_nothing(tmp_path):
    with (
        running_endpoint(STORE, tmp_path, {"MME_IDLE_S": IDLE_S}) as running,
        ThreadPoolExecutor(1) as thread,
    ):
        before = ask(running)
        fall_idle(running)
        asked = thread.submit(ask, running)
        wait_until(lambda: bool(processes(running)), "a process to come")
        everyone = processes(running)
        assert running.stop(signal.SIGTERM) == 0
        assert asked.result() == before
        assert not [each for each in everyone if each.is_running()]


def _breakable_java(tmp_path: Path) -> tuple[str, Path]:
    """A Java that ends with code 3 while a file is there; that file."""
    broken, program = tmp_path / "broken", tmp_path / "java"
    command = shlex.quote(find_java(Settings().java).program)
    program.write_text(
        f'#!/bin/sh\n[ -e {shlex.quote(str(broken))} ] && exit 3\nexec {command} "$@"\n'
    )
    program.chmod(0o755)
    assert shutil.which(str(program))
    return str(program), broken
