"""Single-model hosting, row by row; see docs/conformance.md."""

from __future__ import annotations

import time

import pytest
import requests

from tests.container.conftest import SIMILARITY
from tests.support.conformance import SINGLE, conforms
from tests.support.engine import container

ROW = "Impfstoff,Erbgut"
CSV = "text/csv"


def status(answer: requests.Response) -> str:
    return str(answer.status_code)


# 1.6


@pytest.fixture(scope="module")
def single(unpacked):
    mount = f"--volume={unpacked / SIMILARITY}:/opt/ml/model:ro"
    with container(mount, environment={"SAGEMAKER_SAFE_PORT_RANGE": "25000-25999"}) as box:
        box.wait_until("/ping")
        yield box


@conforms(SINGLE, "`GET /ping` once the model is loaded", "200")
def test_single_ping(single):
    return status(requests.get(f"{single.url}/ping", timeout=2))


@conforms(SINGLE, "`POST /invocations`", "200 and the prediction")
def test_single_invocations(single):
    answer = requests.post(
        f"{single.url}/invocations", data=ROW, headers={"Content-Type": CSV}, timeout=60
    )
    return f"{answer.status_code} and {'the prediction' if len(answer.json()) == 1 else '?'}"


@conforms(SINGLE, "`POST /invocations`, bad input", "the model's own status 415")
def test_single_bad_input(single):
    answer = requests.post(
        f"{single.url}/invocations", data=ROW, headers={"Content-Type": "image/png"}, timeout=60
    )
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


@conforms(SINGLE, "the model's worker is killed", "200 again, and the prediction")
def test_single_model_comes_back(single):
    (worker,) = single.workers()
    single.kill_inside(worker.pid)
    deadline_s = time.monotonic() + 60
    while worker.pid in [process.pid for process in single.workers()]:
        assert time.monotonic() < deadline_s
    single.wait_until("/ping")
    answer = requests.post(
        f"{single.url}/invocations", data=ROW, headers={"Content-Type": CSV}, timeout=60
    )
    return f"{answer.status_code} again, and {'the prediction' if answer.ok else answer.text}"


@conforms(SINGLE, "a model that cannot be loaded", "exit code 1, the reason in the last line")
def test_single_broken(tmp_path):
    (tmp_path / "readme.txt").write_text("no model here")
    with container(f"--volume={tmp_path}:/opt/ml/model:ro") as box:
        code = box.wait()
        told = "readme.txt" in box.last_line and box.last_line.startswith("mme: ")
        said = "the reason in the last line" if told else box.last_line
    return f"exit code {code}, {said}"
