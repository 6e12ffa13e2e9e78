"""Single-model hosting, row by row; see docs/conformance.md."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from tests.container.conftest import KEYPHRASES, SIMILARITY
from tests.support.ballast import HANDLERS
from tests.support.conformance import SINGLE, conforms
from tests.support.engine import container
from tests.support.slow import slow_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine import Container

ROW = "Impfstoff,Erbgut"
CSV = "text/csv"


def status(answer: requests.Response) -> str:
    return str(answer.status_code)


def ask(box: Container, body: str = ROW, kind: str = CSV) -> requests.Response:
    return requests.post(
        f"{box.url}/invocations", data=body.encode(), headers={"Content-Type": kind}, timeout=70
    )


def ask_in_vain(box: Container, body: str) -> int:
    """The status; 0 if the container is gone."""
    try:
        return ask(box, body).status_code
    except requests.ConnectionError:
        return 0


def ping(box: Container) -> int:
    """The status; 0 if the container is gone."""
    try:
        return requests.get(f"{box.url}/ping", timeout=2).status_code
    except requests.ConnectionError:
        return 0


def wait_until(is_so: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s


# 1.6


@pytest.fixture(scope="module")
def single(unpacked):
    mount = f"--volume={unpacked / SIMILARITY}:/opt/ml/model:ro"
    with container(mount, environment={"SAGEMAKER_SAFE_PORT_RANGE": "25000-25999"}) as box:
        box.wait_until("/ping")
        yield box


@pytest.fixture
def mortal(tmp_path):
    """Start a container whose handler can be told to die."""
    mounts = (f"--volume={HANDLERS}:/handlers:ro", f"--volume={tmp_path}:/opt/ml/model:ro")
    environment = {"MME_HANDLER": "/handlers/mortal_handler.py"}
    return lambda: container(*mounts, environment=environment)


@conforms(SINGLE, "`GET /ping` once the model is loaded", "200")
def test_single_ping(single):
    return status(requests.get(f"{single.url}/ping", timeout=2))


@conforms(SINGLE, "`POST /invocations`", "200 and the prediction")
def test_single_invocations(single):
    answer = ask(single)
    return f"{answer.status_code} and {'the prediction' if len(answer.json()) == 1 else '?'}"


@conforms(SINGLE, "`POST /invocations`, bad input", "the model's own status 415")
def test_single_bad_input(single):
    answer = ask(single, ROW, "image/png")
    return f"the model's own status {answer.status_code}"


@conforms(SINGLE, "`GET /execution-parameters`", "200 and the three parameters")
def test_single_execution_parameters(single):
    answer = requests.get(f"{single.url}/execution-parameters", timeout=10)
    wanted = {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}
    given = "the three parameters" if answer.json().keys() == wanted else answer.text
    return f"{answer.status_code} and {given}"


@conforms(SINGLE, "further ports", "none, so none of SAGEMAKER_SAFE_PORT_RANGE either")
def test_single_ports(single):
    ports = single.listening_ports()
    wanted = "none, so none of SAGEMAKER_SAFE_PORT_RANGE either"
    return wanted if ports == [8080] else str(ports)


@conforms(SINGLE, "all its workers are killed", "200 at once, others in their place")
def test_single_workers_are_replaced(single):
    before = single.worker_pids()
    single.kill_inside(*before)
    answer = ask(single)
    wait_until(lambda: len(single.worker_pids()) == len(before))
    replaced = set(single.worker_pids()).isdisjoint(before)
    single.wait_until("/ping")
    return f"{answer.status_code} at once, {'others' if replaced else 'none'} in their place"


@conforms(
    SINGLE, "an idle worker of the customer's own handler is killed", "503, then 200 to `/ping`"
)
def test_single_death_is_noticed_without_a_request(mortal):
    with mortal() as box:
        box.wait_until("/ping")
        (worker,) = box.worker_pids()
        box.kill_inside(worker)
        seen = box.wait_until("/ping", 503, timeout_s=10) < 10
        box.wait_until("/ping")
        assert box.worker_pids() not in ([], [worker])
        assert ask(box).ok
        assert box.stop() == 0
    return "503, then 200 to `/ping`" if seen else "200"


@conforms(SINGLE, "requests beyond `MME_QUEUE_LENGTH`", "503, the others and `/ping` 200")
def test_single_queue_is_bounded(unpacked):
    mount = f"--volume={unpacked / KEYPHRASES}:/opt/ml/model:ro"
    with container(mount, environment={"MME_QUEUE_LENGTH": "3"}) as box:
        box.wait_until("/ping")
        text = slow_text(10_000)
        with ThreadPoolExecutor(9) as pool:
            asked = [pool.submit(ask, box, text, "text/plain") for _ in range(9)]
            pinged = requests.get(f"{box.url}/ping", timeout=2).status_code
            seen = [each.result().status_code for each in asked]
        assert seen.count(200) >= 3
    refused = sorted(set(seen) - {200})
    return f"{', '.join(map(str, refused))}, the others and `/ping` {pinged}"


@conforms(SINGLE, "one request ends the model's process", "502 for it, 200 for the next")
def test_single_poison(mortal):
    with mortal() as box:
        box.wait_until("/ping")
        seen = [ask(box, body).status_code for body in ("die", ROW) * 6]
        assert box.is_running
    right = seen == [502, 200] * 6
    return "502 for it, 200 for the next" if right else str(seen)


@conforms(
    SINGLE,
    "a model that ends its process whatever it is asked",
    "exit code 1, told in the last line",
)
def test_single_model_that_keeps_dying(mortal):
    with mortal() as box:
        box.wait_until("/ping")
        seen = {ask_in_vain(box, "die") for _ in range(5)}
        code = box.wait()
        said = (
            "told" if box.last_line.startswith("mme: the model failed 5 times") else box.last_line
        )
    assert seen <= {502, 0}
    return f"exit code {code}, {said} in the last line"


@conforms(SINGLE, "a model that died and loads no more", "exit code 1, the reason in the last line")
def test_single_model_that_does_not_come_back(mortal):
    with mortal() as box:
        box.wait_until("/ping")
        assert ask(box, "load no more").ok
        box.kill_inside(*box.worker_pids())
        while box.is_running:  # somebody looks at its health, as the platform does
            ping(box)
        code = box.wait()
        told = box.last_line.startswith("mme: ") and "unexpected ValueError" in box.last_line
        said = "the reason in the last line" if told else box.last_line
    return f"exit code {code}, {said}"


@conforms(SINGLE, "a model that cannot be loaded", "exit code 1, the reason in the last line")
def test_single_broken(tmp_path):
    (tmp_path / "readme.txt").write_text("no model here")
    with container(f"--volume={tmp_path}:/opt/ml/model:ro") as box:
        code = box.wait()
        told = "readme.txt" in box.last_line and box.last_line.startswith("mme: ")
        said = "the reason in the last line" if told else box.last_line
    return f"exit code {code}, {said}"
