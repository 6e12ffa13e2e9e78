"""Invocations of a target model."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from mme.core import errors
from mme.endpoints.serving import Chosen, Serving
from mme.gateway import make_app
from mme.gateway.headers import version_headers
from mme.gateway.retries import Retries
from tests.support.fake_engine import Answer, served, until

TARGET = "X-Amzn-SageMaker-Target-Model"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.mark.parametrize("path", ["/invocations", "/endpoints/demo/invocations"])
async def test_a_model_is_asked_with_the_body_and_the_headers_that_pass(endpoint, engine, path):
    sent = {
        TARGET: "de/m.tar.gz",
        "Content-Type": "text/csv",
        "Accept": "application/json",
        ATTRIBUTES: "trace=1",
        "Authorization": "secret",
        "X-Mme-Model": "another",
    }
    async with endpoint.client.post(path, data=b"a,b", headers=sent) as answer:
        assert answer.status == 200
        assert await answer.read() == b'["ok"]'
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"
    (asked,) = engine.asked
    assert (asked.model, asked.body) == ("de/m.tar.gz", b"a,b")
    assert asked.headers == {
        "Content-Type": "text/csv",
        "Accept": "application/json",
        ATTRIBUTES: "trace=1",
        TARGET: "de/m.tar.gz",
    }


async def test_the_answers_of_samples_say_so_and_no_others(settings, engine, bodies):
    app = make_app(
        settings, engine, Serving(settings, engine), bodies, is_sample={"sample"}.__contains__
    )
    async with served(app) as endpoint:
        for target, said in ("sample", "true"), ("mine", None):
            async with endpoint.client.post("/invocations", headers={TARGET: target}) as answer:
                assert answer.headers.get("X-Mme-Sample") == said


@pytest.mark.parametrize("status", [200, 400])
async def test_an_answer_says_which_version_of_which_artifact_gave_it(
    endpoint, engine, status, caplog
):
    caplog.set_level("INFO")
    engine.answer = Answer(status=status, target="de/m-1.tar.gz", version="abc")
    async with endpoint.client.post("/invocations", headers={TARGET: "de/m"}) as answer:
        assert answer.headers["X-Mme-Target-Model"] == "de/m-1.tar.gz"
        assert answer.headers["X-Mme-Model-Version"] == "abc"
    assert "de/m=de/m-1.tar.gz warm" in caplog.text


@pytest.mark.parametrize(
    ("key", "target", "answered", "said"),
    [
        ("m", "m", "m-1.tar.gz", "m-1.tar.gz"),
        ("s3://b/all/de/m", "de/m", "s3://b/all/de/m-1.tar.gz", "de/m-1.tar.gz"),
        ("s3://b/all/m.tar.gz", "", "s3://b/all/m.tar.gz", None),
        ("m", "m", "", None),
    ],
)
def test_where_an_endpoint_has_its_models_is_not_said(key, target, answered, said):
    headers = version_headers(Chosen("demo", "AllTraffic", key, target), answered, "1")
    assert headers.get("X-Mme-Target-Model") == said
    assert headers["X-Mme-Model-Version"] == "1"


async def test_of_the_headers_a_model_gives_two_reach_the_caller(endpoint, engine):
    given = {
        "content-type": "text/csv",
        "x-amzn-sagemaker-custom-attributes": "trace=2",
        "x-inside": "secret",
    }
    engine.answer = Answer(status=201, headers=given, body=b"1")
    async with endpoint.client.post("/invocations", headers={TARGET: "m"}) as answer:
        assert answer.status == 201
        assert answer.headers["Content-Type"] == "text/csv"
        assert answer.headers[ATTRIBUTES] == "trace=2"
        assert "x-inside" not in answer.headers


async def test_an_answers_header_that_cannot_be_sent_is_escaped(endpoint, engine):
    given = {"content-type": "text/plain", ATTRIBUTES.lower(): "größe\r\nSet-Cookie: a=b"}
    engine.answer = Answer(headers=given)
    async with endpoint.client.post("/invocations", headers={TARGET: "m"}) as answer:
        assert answer.status == 200
        assert answer.headers[ATTRIBUTES] == r"gr\xf6\xdfe\x0d\x0aSet-Cookie: a=b"
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("sent", "target"), [("größe", "größe"), ("größe".encode("latin-1"), "größe")]
)
async def test_a_target_is_understood_in_utf_8_and_in_latin_1(endpoint, engine, sent, target):
    raw = sent.encode() if isinstance(sent, str) else sent
    head = HEAD + TARGET.encode() + b": " + raw
    answered = await endpoint.raw(head + b"\r\nContent-Length: 0\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 200")
    (asked,) = engine.asked
    assert asked.model == target
    assert asked.headers[TARGET] == r"gr\xf6\xdfe"


async def test_a_request_without_a_target_is_told_which_header_names_it(endpoint, engine):
    async with endpoint.client.post("/invocations", data=b"x") as answer:
        assert answer.status == 400
        assert answer.headers["x-amzn-ErrorType"] == "ValidationError"
        assert TARGET in (await answer.json())["Message"]
    assert engine.asked == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(415, "CLIENT_ERROR_FROM_MODEL"), (500, "INTERNAL_FAILURE_FROM_MODEL")],
)
async def test_an_error_answer_of_the_model_is_a_model_error(endpoint, engine, status, code):
    engine.answer = Answer(status=status, body=b"no \xff")
    async with endpoint.client.post("/invocations", headers={TARGET: "m"}) as answer:
        assert answer.status == 424
        assert answer.headers["x-amzn-ErrorType"] == "ModelError"
        body = await answer.json()
    assert (body["OriginalStatusCode"], body["ErrorCode"]) == (status, code)
    assert body["OriginalMessage"] == "no \ufffd"


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (errors.TargetNotFound("m", "s3://b/m"), 400),
        (errors.Busy("m", 100), 503),
        (errors.ModelTimedOut("m", 60), 424),
        (errors.ModelNotReady("m", "still coming"), 429),
        (ZeroDivisionError("of ours"), 500),
    ],
)
async def test_what_the_engine_raises_has_its_answer(endpoint, engine, failure, status):
    engine.failure = failure
    async with endpoint.client.post("/invocations", headers={TARGET: "m"}) as answer:
        assert answer.status == status
        assert "of ours" not in await answer.text()
        assert answer.headers["x-amzn-RequestId"]


async def test_only_endpoints_with_a_name_of_the_list_are_served(settings, engine, bodies):
    listed = settings.model_copy(update={"endpoint_names": ("demo", "de-mo2")})
    async with served(make_app(listed, engine, Serving(listed, engine), bodies)) as endpoint:
        for name, status in (("demo", 200), ("de%2Dmo2", 200), ("other", 400)):
            raw = await endpoint.raw(
                f"POST /endpoints/{name}/invocations HTTP/1.1\r\nHost: x\r\n{TARGET}: m\r\n"
                "Connection: close\r\nContent-Length: 0\r\n\r\n".encode()
            )
            assert raw.startswith(f"HTTP/1.1 {status}".encode()), name
    assert b"known endpoints: demo" in raw


async def test_requests_one_after_the_other_on_one_connection_are_all_answered(endpoint, engine):
    one = b"POST /invocations HTTP/1.1\r\nHost: x\r\n" + f"{TARGET}: m\r\n".encode()
    requests = b"".join(one + b"Content-Length: 1\r\n\r\n%d" % n for n in range(5))
    answered = await endpoint.raw(requests + HEAD + b"Content-Length: 0\r\n\r\n")
    assert answered.count(b"HTTP/1.1 200") == 5
    assert answered.count(b"HTTP/1.1 400") == 1  # the last one names no target
    assert [asked.body for asked in engine.asked] == [b"%d" % n for n in range(5)]


async def test_a_client_of_http_1_0_is_answered_and_left(endpoint):
    request = f"POST /invocations HTTP/1.0\r\n{TARGET}: m\r\nContent-Length: 1\r\n\r\nx"
    head, _, body = (await endpoint.raw(request.encode())).partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0]
    assert body == b'["ok"]'


@pytest.mark.parametrize("size", [0, 1, 200_000, 5_000_000])
async def test_an_answer_of_any_size_comes_whole(endpoint, engine, size):
    engine.answer = Answer(body=b"x" * size)
    for _ in range(2):
        async with endpoint.client.post("/invocations", headers={TARGET: "m"}) as answer:
            assert len(await answer.read()) == size
            assert int(answer.headers["Content-Length"]) == size


async def test_a_model_that_says_no_content_sends_none(endpoint, engine):
    engine.answer = Answer(status=204, body=b"")
    for _ in range(2):
        async with endpoint.client.post("/invocations", headers={TARGET: "m"}) as answer:
            assert (answer.status, await answer.read()) == (204, b"")


async def test_the_type_of_an_error_is_json(endpoint):
    async with endpoint.client.post("/invocations") as answer:
        assert answer.content_type == "application/json"
        assert json.loads(await answer.read()).keys() == {"Message"}


async def test_a_session_is_the_models_business(endpoint, engine):
    engine.answer = Answer(
        headers={
            "content-type": "text/plain",
            "x-amzn-sagemaker-new-session-id": "s1; Expires=2030-01-01T00:00:00Z",
            "x-amzn-sagemaker-closed-session-id": "s0",
        }
    )
    sent = {TARGET: "m.tar.gz", "X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}
    async with endpoint.client.post("/invocations", data=b"", headers=sent) as answer:
        assert answer.headers["X-Amzn-SageMaker-New-Session-Id"] == (
            "s1; Expires=2030-01-01T00:00:00Z"
        )
        assert answer.headers["X-Amzn-SageMaker-Closed-Session-Id"] == "s0"
    assert engine.asked[0].headers["X-Amzn-SageMaker-Session-Id"] == "NEW_SESSION"


async def test_the_inference_id_is_in_the_log(endpoint, caplog):
    caplog.set_level(logging.DEBUG, "mme.gateway.access")
    sent = {TARGET: "m.tar.gz", "X-Amzn-SageMaker-Inference-Id": "claim-7"}
    async with endpoint.client.post("/invocations", data=b"", headers=sent) as answer:
        assert answer.status == 200
    assert " m.tar.gz warm queue 0.0 load 0.0 model 0.0 claim-7\n" in caplog.text


async def test_a_retry_of_a_client_that_has_left_gets_the_answer_of_its_first_attempt(
    endpoint, engine, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG, "mme.gateway.access")
    attempts = []
    waited_for = Retries._waited_for

    def noted(self, running):
        attempts.append(running)
        return waited_for(self, running)

    monkeypatch.setattr(Retries, "_waited_for", noted)
    headers = {TARGET: "m.tar.gz", "amz-sdk-invocation-id": "call"}
    first = {**headers, "amz-sdk-request": "attempt=1; max=2"}
    second = {**headers, "amz-sdk-request": "attempt=2; max=2"}
    engine.is_hanging = True
    asking = asyncio.ensure_future(endpoint.client.post("/invocations", headers=first))
    await engine.begun.wait()
    asking.cancel()
    await until(lambda: " 499 " in caplog.text)
    retry = asyncio.ensure_future(endpoint.client.post("/invocations", headers=second))
    await until(lambda: len(attempts) == 2)
    engine.release.set()
    async with await retry as answer:
        assert answer.status == 200
    assert len(engine.asked) == 1
