"""InvokeEndpointWithResponseStream over an engine without models."""

from __future__ import annotations

import json

import pytest
from botocore.eventstream import EventStreamBuffer

from mme.core import errors
from mme.core.parts import HIGH_WATER_BYTES
from mme.core.terms import Terms
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from tests.support.fake_engine import Answer, served, until

PATH = "/endpoints/demo/invocations-response-stream"
TARGET = "X-Amzn-SageMaker-Target-Model"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
M = {TARGET: "m"}
JSON = "application/json"


def read(data: bytes) -> list[tuple[str, bytes]]:
    """Kind and payload of each frame."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    found = []
    for message in buffer:
        event = message.to_response_dict()
        headers = event["headers"]
        found.append((headers.get(":event-type") or headers[":exception-type"], event["body"]))
    return found


async def test_a_whole_answer_is_one_frame(endpoint, engine):
    engine.answer = Answer(
        headers={"content-type": JSON, ATTRIBUTES.lower(): "trace=2"}, target="m-1", version="abc"
    )
    async with endpoint.client.post(PATH, data=b"x", headers=M) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/vnd.amazon.eventstream"
        assert answer.headers["X-Amzn-SageMaker-Content-Type"] == JSON
        assert answer.headers[ATTRIBUTES] == "trace=2"
        assert answer.headers["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"
        assert answer.headers["X-Mme-Target-Model"] == "m-1"
        assert answer.headers["X-Mme-Model-Version"] == "abc"
        assert answer.headers["x-amzn-RequestId"]
        assert answer.headers["Server"] == "mme"
        assert read(await answer.read()) == [("PayloadPart", b'["ok"]')]


@pytest.mark.parametrize("pieces", [[], [b"one"]], ids=["whole", "in pieces"])
async def test_which_version_answers_is_said_at_the_beginning(endpoint, engine, pieces):
    engine.pieces = pieces
    engine.answer = Answer(target="m-2.tar.gz", version='"etag"')
    async with endpoint.client.post(PATH, headers=M) as answer:
        assert answer.headers["X-Mme-Target-Model"] == "m-2.tar.gz"
        assert answer.headers["X-Mme-Model-Version"] == '"etag"'
        assert "X-Mme-Sample" not in answer.headers


@pytest.mark.parametrize("pieces", [[], [b"one"]], ids=["whole", "in pieces"])
async def test_that_a_sample_answers_is_said(settings, engine, bodies, pieces):
    serving = Serving(settings, engine)
    server = make_app(settings, engine, serving, bodies, is_sample={"m"}.__contains__)
    engine.pieces = pieces
    async with served(server) as running, running.client.post(PATH, headers=M) as answer:
        assert answer.headers["X-Mme-Sample"] == "true"


async def test_the_model_sees_what_the_service_passes_on(endpoint, engine):
    sent = M | {
        "Content-Type": "text/csv",
        "Accept": "*/*",
        "X-Amzn-SageMaker-Accept": JSON,
        ATTRIBUTES: "trace=1",
        "X-Amzn-SageMaker-Inference-Id": "i",
    }
    async with endpoint.client.post(PATH, data=b"a,b", headers=sent) as answer:
        assert answer.status == 200
    (asked,) = engine.asked
    assert (asked.model, asked.body) == ("m", b"a,b")
    assert asked.headers == M | {
        "Content-Type": "text/csv", "Accept": JSON, ATTRIBUTES: "trace=1"
    }  # fmt: skip
    assert engine.terms.timeout_s == 480
    assert isinstance(engine.terms, Terms)


async def test_pieces_leave_before_the_answer_has_ended(endpoint, engine):
    engine.pieces, engine.is_hanging = [b"one", b"two"], True
    engine.answer = Answer(body=b"three")
    async with endpoint.client.post(PATH, headers=M) as answer:
        got = b""
        while len(read(got)) < 2:
            got += await answer.content.readany()
        assert answer.headers["X-Amzn-SageMaker-Content-Type"] == JSON
        assert not engine.release.is_set()
        engine.release.set()
        got += await answer.read()
    assert read(got) == [("PayloadPart", piece) for piece in (b"one", b"two", b"three")]


async def test_an_empty_answer_is_a_stream_of_nothing(endpoint, engine):
    engine.answer = Answer(body=b"")
    async with endpoint.client.post(PATH, headers=M) as answer:
        assert (answer.status, await answer.read()) == (200, b"")


NOT_BEGUN = [
    (errors.ModelTimedOut("m", 60), 424, "ModelError"),
    (errors.TargetNotFound("m", "m"), 400, "ValidationError"),
    (errors.Busy("m", 3), 503, "ServiceUnavailable"),
    (errors.ModelNotReady("m", "it loads"), 429, "ModelNotReadyException"),
    (RuntimeError("secret"), 500, "InternalFailure"),
]


@pytest.mark.parametrize("given", [Answer(400, body=b"bad text"), Answer(302)])
async def test_an_error_answer_of_the_model_is_an_ordinary_one(endpoint, engine, given):
    engine.answer = given
    async with endpoint.client.post(PATH, headers=M) as answer:
        assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (424, "ModelError")
        assert (await answer.json())["OriginalStatusCode"] == given.status


@pytest.mark.parametrize(("failure", "status", "kind"), NOT_BEGUN)
async def test_an_error_before_the_first_byte_is_an_ordinary_one(
    endpoint, engine, failure, status, kind
):
    engine.failure = failure
    async with endpoint.client.post(PATH, headers=M) as answer:
        assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (status, kind)
        assert (await answer.json())["Message"]


BEGUN = [
    (errors.ModelTimedOut("m", 60), "ModelStreamError", "ModelInvocationTimeExceeded"),
    (errors.ModelFailed("m", 0, "The worker ended"), "ModelStreamError", "StreamBroken"),
    (errors.ShuttingDown(), "ModelStreamError", "StreamBroken"),
    (RuntimeError("secret"), "InternalStreamFailure", None),
]


@pytest.mark.parametrize(("failure", "kind", "code"), BEGUN)
async def test_an_error_after_pieces_is_the_last_frame(endpoint, engine, failure, kind, code):
    engine.pieces, engine.failure = [b"one"], failure
    async with endpoint.client.post(PATH, headers=M) as answer:
        assert answer.status == 200
        first, last = read(await answer.read())
    assert first == ("PayloadPart", b"one")
    content = json.loads(last[1])
    assert (last[0], content.get("ErrorCode")) == (kind, code)
    assert content["Message"]
    assert "secret" not in content["Message"]


async def test_an_error_answer_after_pieces_makes_them_void(endpoint, engine):
    engine.pieces, engine.answer = [b"one"], Answer(503, body=b"broken off")
    async with endpoint.client.post(PATH, headers=M) as answer:
        _, (kind, content) = read(await answer.read())
    assert kind == "ModelStreamError"
    assert json.loads(content) == {
        "Message": 'The model broke off with status 503 and message "broken off"',
        "ErrorCode": "StreamBroken",
    }


@pytest.mark.parametrize(
    ("sent", "model"),
    [
        ({ATTRIBUTES: "target-model=de/m.tar.gz"}, "de/m.tar.gz"),
        ({ATTRIBUTES: "trace=1; Target-Model = m ,other"}, "m"),
        ({ATTRIBUTES: "target-model=n", TARGET: "m"}, "m"),
    ],
)
async def test_the_target_may_be_among_the_custom_attributes(endpoint, engine, sent, model):
    async with endpoint.client.post(PATH, headers=sent) as answer:
        assert answer.status == 200
    (asked,) = engine.asked
    assert asked.model == model
    assert asked.headers[ATTRIBUTES] == sent[ATTRIBUTES]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {ATTRIBUTES: "not-target-model=m"},
        {ATTRIBUTES: "target-model="},
        {ATTRIBUTES: "target-model=a;target-model=b"},
        {ATTRIBUTES: "target-model=../m"},
        {ATTRIBUTES: "x" * 1025, TARGET: "m"},
        {TARGET: "m", "X-Amzn-SageMaker-Accept": "x" * 1025},
        {TARGET: "m", "X-Amzn-SageMaker-Target-Variant": "other"},
        {TARGET: "m", "X-Amzn-SageMaker-Inference-Component": "part"},
    ],
)
async def test_a_head_the_service_would_not_take_is_refused(endpoint, engine, sent):
    async with endpoint.client.post(PATH, headers=sent) as answer:
        assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (400, "ValidationError")
    assert not engine.asked


async def test_without_a_target_it_is_said_where_one_may_be_named(endpoint):
    async with endpoint.client.post(PATH) as answer:
        message = (await answer.json())["Message"]
    assert TARGET in message
    assert "target-model=NAME" in message
    assert "TargetModel in boto3" not in message


async def test_what_is_wrong_but_the_target_is_told_alone(endpoint):
    sent = {"X-Amzn-SageMaker-Target-Variant": "v9"}
    async with endpoint.client.post(PATH, headers=sent) as answer:
        message = (await answer.json())["Message"]
    assert message == "Variant 'v9' is not one of the endpoint's: it has AllTraffic"


async def test_a_target_named_twice_is_refused(endpoint, engine):
    sent = [(TARGET, "a"), (TARGET, "b")]
    async with endpoint.client.post(PATH, headers=sent) as answer:
        assert answer.status == 400
    assert not engine.asked


async def test_an_endpoint_name_the_service_would_not_take_is_refused(endpoint):
    path = "/endpoints/-demo/invocations-response-stream"
    async with endpoint.client.post(path, headers=M) as answer:
        assert answer.status == 400


async def test_a_client_that_leaves_ends_the_work(endpoint, engine):
    engine.pieces, engine.is_hanging = [b"one"], True
    async with endpoint.client.post(PATH, headers=M) as answer:
        await answer.content.readany()
        answer.close()
    await engine.cancelled.wait()


async def test_one_that_leaves_before_the_first_byte_does_so_too(endpoint, engine):
    engine.is_hanging = True
    raw = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{TARGET}: m\r\nContent-Length: 0\r\n\r\n".encode()
    await endpoint.raw(raw, half_closed=True)
    await engine.cancelled.wait()


async def test_a_client_that_does_not_read_has_the_model_wait(endpoint, engine):
    engine.pieces, engine.is_hanging = [b"x" * HIGH_WATER_BYTES] * 100, True
    async with endpoint.client.post(PATH, headers=M) as answer:
        await until(lambda: engine.flow.is_paused)
        engine.release.set()
        got = await answer.read()
    assert b"".join(body for _, body in read(got)) == b"".join(engine.pieces) + b'["ok"]'
    assert not engine.flow.is_paused


async def test_a_client_of_http_1_0_reads_to_the_end_of_the_connection(endpoint, engine):
    engine.pieces = [b"one"]
    raw = f"POST {PATH} HTTP/1.0\r\n{TARGET}: m\r\nContent-Length: 0\r\n\r\n".encode()
    head, _, body = (await endpoint.raw(raw)).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert [piece for _, piece in read(body)] == [b"one", b'["ok"]']


async def test_the_connection_serves_on(endpoint, engine):
    engine.pieces = [b"one"]
    for _ in range(3):
        async with endpoint.client.post(PATH, headers=M) as answer:
            assert len(read(await answer.read())) == 2
            assert answer.headers.get("Connection") != "close"
