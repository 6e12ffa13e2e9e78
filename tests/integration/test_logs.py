"""The log of real endpoints: what workers say comes with model and request, in text and in JSON."""

from __future__ import annotations

import json
import re
import shutil
import time
from datetime import datetime

import pytest
import requests

from tests.support.endpoint import PROJECT, running_endpoint

HANDLER = PROJECT / "tests" / "support" / "talking_handler.py"
TARGET = "de/größe.tar.gz"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    (folder / "de").mkdir()
    shutil.copy(PROJECT / "artifacts" / "en" / "DocSim.tar.gz", folder / TARGET)
    shutil.copy(PROJECT / "artifacts" / "en" / "DocSim.tar.gz", folder / "DocSim.tar.gz")
    return str(folder)


def invoke(endpoint, body, target=TARGET):
    answer = requests.post(
        f"{endpoint.url}/endpoints/e/invocations",
        data=body,
        headers={
            "X-Amzn-SageMaker-Target-Model": target.encode(),
            "X-Amzn-SageMaker-Inference-Id": "claim-7",
            "Content-Type": "text/csv",
        },
        timeout=60,
    )
    return answer, answer.headers["x-amzn-RequestId"]


def lines(endpoint, **query):
    answer = requests.get(f"{endpoint.url}/logs", params=query, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["lines"]


def eventually(look, holds):
    """What `look` returns as soon as it `holds`: a worker's words take their own way."""
    deadline_s = time.monotonic() + 10
    while not holds(found := look()):
        assert time.monotonic() < deadline_s, found
    return found


@pytest.fixture(scope="module", params=["door", "mms"])
def talking(request, store, tmp_path_factory):
    settings = {
        "MME_HANDLER": str(HANDLER),
        "MME_LOG_FORMAT": "json",
        "MME_LOG_LEVEL": "DEBUG",
        "MME_INVOKE": request.param,
    }
    scratch = tmp_path_factory.mktemp("talking")
    with running_endpoint(store, scratch, settings) as running:
        yield running


def test_what_a_worker_says_reaches_the_log_with_model_and_request(talking):
    answer, request_id = invoke(talking, "größe")
    assert answer.text == "said"
    found = eventually(
        lambda: lines(talking, request_id=request_id),
        lambda said: any("without an end" in line["message"] for line in said) and len(said) >= 7,
    )
    assert {line["target_model"] for line in found} == {TARGET}
    messages = {(line["logger"], line["level"], line["message"]) for line in found}
    assert messages >= {
        ("stdout", "INFO", "printed größe"),
        ("stderr", "WARNING", "told on stderr größe"),
        ("talking", "INFO", "logged größe"),
        ("talking", "DEBUG", "whispered größe"),
        ("talking", "ERROR", "failed"),
        ("stdout", "INFO", "without an end größe"),
    }
    (failed,) = [line for line in found if line["level"] == "ERROR"]
    assert "ValueError: größe\n2026-01-01" in failed["trace"]
    (access,) = [line for line in found if line["logger"] == "mme.gateway.access"]
    assert "claim-7" in access["message"]
    stderr = json.dumps(f"past Python {'größe'}")[1:-1]
    talking.wait_for_log(stderr)
    eventually(lambda: lines(talking, target=TARGET), lambda said: "at load" in str(said))


def test_every_line_is_an_object_of_json_with_time_level_and_logger(talking):
    for body in (
        "a\nb",
        '{"mms":"server"}',
        '{"mme-line":[50,"x","y","z","r",""]}',
        "\x1b[31m\u2028",
    ):
        invoke(talking, body.encode())
    talking.wait_for_log("without an end \\u001b[31m\\u2028")
    for text in talking.log.splitlines():
        assert text.isascii()
        line = json.loads(text)
        assert datetime.fromisoformat(line["at"]).utcoffset() is not None
        assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        assert line["logger"]
        assert isinstance(line["message"], str)
    mms = [line for line in map(json.loads, talking.log.splitlines()) if line["logger"] == "mms"]
    assert any("started" in line["message"] for line in mms)


def test_the_line_of_a_request_has_its_outcome_and_times(talking):
    _, request_id = invoke(talking, "once more")
    talking.wait_for_log(request_id)
    found = [json.loads(text) for text in talking.log.splitlines() if request_id in text]
    (line,) = [line for line in found if line["logger"] == "mme.gateway.access"]
    assert line["target_model"] == TARGET
    assert line["inference_id"] == "claim-7"
    assert line["status"] == 200
    assert line["outcome"] in ("warm", "first")
    took = [line[name] for name in ("fetch_ms", "queue_ms", "load_ms", "model_ms")]
    assert 0 < sum(took) <= line["total_ms"]


def test_a_stream_of_lines_goes_on_from_the_last_one_that_was_seen(talking):
    invoke(talking, "first")
    last_id = requests.get(f"{talking.url}/logs", timeout=60).json()["last_id"]
    _, request_id = invoke(talking, "second")
    query = {"level": "info", "target": TARGET, "request_id": request_id}
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last_id)}
    with requests.get(
        f"{talking.url}/logs", query, headers=headers, stream=True, timeout=60
    ) as stream:
        data = next(line for line in stream.iter_lines() if line.startswith(b"data: "))
    told = json.loads(data.removeprefix(b"data: "))
    assert {line["request_id"] for line in told} == {request_id}
    assert min(line["id"] for line in told) > last_id
    assert "DEBUG" not in {line["level"] for line in told}


@pytest.fixture(scope="module")
def plain(store, tmp_path_factory):
    with running_endpoint(store, tmp_path_factory.mktemp("plain")) as running:
        yield running


def test_in_text_a_workers_line_shows_model_and_request(plain):
    answer, request_id = invoke(plain, "one text\n", "DocSim.tar.gz")
    assert answer.status_code == 424
    plain.wait_for_log(f"model_handler [DocSim.tar.gz {request_id}]: request refused: BadInput")


def test_in_text_the_line_of_a_request_tells_where_its_time_went(plain):
    _, request_id = invoke(plain, "one text,another\n", "DocSim.tar.gz")
    plain.wait_for_log(f" ms {request_id} DocSim.tar.gz ")
    (line,) = [each for each in plain.log.splitlines() if f" ms {request_id} " in each]
    form = r"\S+ \S+ INFO    mme\.gateway\.access: POST /endpoints/e/invocations 200 [\d.]+ ms \S+"
    times = r"(fetch [\d.]+ )?queue [\d.]+ load [\d.]+ model [\d.]+"
    assert re.fullmatch(rf"{form} DocSim\.tar\.gz (warm|cold|first) {times} claim-7", line)


def test_what_callers_send_is_in_no_line(plain):
    _, request_id = invoke(plain, "a secret,\n\n another secret", "DocSim.tar.gz")
    plain.wait_for_log(request_id)
    assert "secret" not in plain.log
    assert "secret" not in str(lines(plain))


def test_a_level_that_there_is_not_is_refused_by_name(plain):
    answer = requests.get(f"{plain.url}/logs?level=loud", timeout=60)
    assert answer.status_code == 400
    assert "level='loud' is none of DEBUG, INFO" in answer.json()["Message"]
