"""Idle to zero with real processes: all gone, and back with the first request."""

from __future__ import annotations

import json
import signal
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.support.endpoint import PROJECT, running_endpoint

IDLE_S = "1"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("idle")
    with running_endpoint(str(PROJECT / "artifacts"), scratch, {"MME_IDLE_S": IDLE_S}) as running:
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
    assert endpoint.log.count("back after") <= 1
    assert processes(endpoint)


def test_a_resting_endpoint_is_healthy_and_lists_its_models_without_waking(endpoint):
    ask(endpoint)
    fall_idle(endpoint)
    assert get(endpoint, "/ping") == {"status": "Healthy"}
    assert "DocSim.tar.gz" in [each["target_model"] for each in get(endpoint, "/models")["models"]]
    assert not processes(endpoint)


def test_an_artifact_that_is_new_here_is_admitted_after_a_rest(endpoint):
    ask(endpoint)
    fall_idle(endpoint)
    assert ask(endpoint, "en/DocSim.tar.gz")


def test_a_worker_that_goes_down_with_the_rest_is_no_alarm(endpoint):
    ask(endpoint)
    fall_idle(endpoint)
    assert "died" not in endpoint.log


def test_a_resting_endpoint_stops_at_once(tmp_path):
    with running_endpoint(str(PROJECT / "artifacts"), tmp_path, {"MME_IDLE_S": IDLE_S}) as running:
        fall_idle(running)
        assert running.stop(signal.SIGTERM) == 0
