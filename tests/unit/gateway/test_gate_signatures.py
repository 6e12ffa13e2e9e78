"""Real boto3 before the gate: whose signature passes, and in which words the others hear it."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.fake_engine import Answer
from tests.support.gated import SECRET, ask, client, invoke


async def test_boto3_with_the_right_key_is_answered(gated, engine, in_thread):
    answer = await in_thread(lambda: invoke(gated.url, body=b'{"text": "x"}'))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert engine.asked[0].body == b'{"text": "x"}'
    assert engine.asked[0].model == "de/größe.tar.gz"


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024])
async def test_bodies_of_all_sizes_are_signed(gated, engine, in_thread, size):
    await in_thread(lambda: invoke(gated.url, "AKINVOKE", body=b"x" * size))
    assert len(engine.asked[0].body) == size


async def test_a_session_token_comes_with_its_key(gated, in_thread, refusal):
    await in_thread(lambda: invoke(gated.url, "AKSESSION", aws_session_token="of-an-hour"))
    assert await refusal(lambda: invoke(gated.url, "AKSESSION")) == (
        403, "UnrecognizedClientException", "The security token included in the request is invalid",
    )  # fmt: skip


async def test_streams_are_signed_as_well(gated, engine, in_thread):
    engine.answer = Answer(body=b"a whole answer")

    def ask_for_stream():
        answer = client(gated.url).invoke_endpoint_with_response_stream(
            EndpointName="e", Body=b"{}", CustomAttributes="target-model=m"
        )
        return b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])

    assert await in_thread(ask_for_stream) == b"a whole answer"


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    "case",
    [
        ("AKALL", "another secret of some length", "InvalidSignatureException"),
        ("UNKNOWN", SECRET, "UnrecognizedClientException"),
        ("AKREAD", SECRET, "AccessDeniedException"),
    ],
)
async def test_boto3_raises_the_services_errors_on_the_runtime(gated, engine, refusal, case):
    key, secret, code = case
    status, told, _ = await refusal(lambda: invoke(gated.url, key, secret))
    assert (status, told) == (403, code)
    assert not engine.asked


@pytest.mark.parametrize(
    "case",
    [
        ("AKALL", "another secret of some length", "InvalidSignatureException"),
        ("UNKNOWN", SECRET, "UnrecognizedClientException"),
        ("AKINVOKE", SECRET, "AccessDeniedException"),
        ("AKREAD", SECRET, "AccessDeniedException"),
    ],
)
async def test_boto3_raises_them_on_the_control_plane(gated, gating, refusal, case):
    key, secret, code = case
    asked = client(gated.url, key, secret, service="sagemaker")
    status, told, _ = await refusal(lambda: asked.delete_endpoint(EndpointName="e"))
    assert (status, told) == (403, code)
    assert not gating.asked


async def test_whoever_may_read_may_list_on_the_control_plane(gated, in_thread):
    answer = await in_thread(client(gated.url, "AKREAD", service="sagemaker").list_endpoints)
    assert answer["Endpoints"] == []


@pytest.mark.parametrize("ahead_s", [-400, 400])
async def test_boto3_with_another_clock_is_told_both_times(gated, refusal, monkeypatch, ahead_s):
    def moved():
        return datetime.fromtimestamp(time.time() + ahead_s, UTC)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", moved)
    status, code, text = await refusal(lambda: invoke(gated.url))
    assert (status, code) == (403, "InvalidSignatureException")
    assert "5 min." in text


@pytest.fixture
def recorded(in_thread):
    """Has boto3 ask something, and returns the bytes it sent, to be sent again."""

    async def record(asked, operation, **options):
        sent = []

        def keep(request, **_):
            host, _, path = request.url.partition("://")[2].partition("/")
            body = bytes(request.body or b"")
            given = dict(request.headers.items())
            given |= {"Host": host, "Connection": "close", "Content-Length": str(len(body))}
            texts = {n: v.decode() if isinstance(v, bytes) else v for n, v in given.items()}
            head = [f"{request.method} /{path} HTTP/1.1"]
            head += [f"{name}: {text}" for name, text in texts.items()]
            sent.append("\r\n".join([*head, "", ""]).encode() + body)

        asked.meta.events.register("before-send.*", keep)
        await in_thread(lambda: getattr(asked, operation)(**options))
        return sent[0]

    return record


@pytest.mark.hostile("HTTP")
async def test_what_changes_something_cannot_be_sent_again(gated, recorded, gating):
    asked = client(gated.url, service="sagemaker")
    raw = await recorded(asked, "delete_endpoint", EndpointName="e")
    gating.wall.ahead_s = 3.0
    again = await gated.raw(raw)
    assert b" 403 " in again.partition(b"\r\n")[0]
    assert b"used before" in again
    assert len(gating.asked) == 1


async def test_an_invocation_may_be_sent_again_for_it_leaves_nothing_behind(gated, recorded):
    raw = await recorded(
        client(gated.url), "invoke_endpoint", EndpointName="e", TargetModel="m", Body=b"{}"
    )
    assert b" 200 " in (await gated.raw(raw)).partition(b"\r\n")[0]


@pytest.mark.hostile("HTTP")
async def test_a_changed_body_is_refused(gated, recorded, engine):
    raw = await recorded(
        client(gated.url), "invoke_endpoint", EndpointName="e", TargetModel="m", Body=b"{}"
    )
    again = await gated.raw(raw[:-1] + b"]")
    assert b" 403 " in again.partition(b"\r\n")[0]
    assert b"InvalidSignatureException" in again
    assert len(engine.asked) == 1


async def test_boto3_may_ask_the_same_twice_in_a_second(gated, gating, in_thread):
    asked = client(gated.url, service="sagemaker")
    for _ in range(2):
        await in_thread(lambda: asked.delete_endpoint(EndpointName="e"))
    assert len(gating.asked) == 2


async def test_signatures_pass_on_management_too(gated):
    path = "/models?limit=10&prefix=de%2F"
    signed = AWSRequest("GET", gated.url + path)
    SigV4Auth(Credentials("AKREAD", SECRET), "sagemaker", "eu-central-1").add_auth(signed)
    headers = dict(signed.headers.items())
    assert (await ask(gated, ("GET", path), headers))[0] == 200
    status, given, _ = await ask(gated, ("GET", "/models?limit=11"), headers)
    assert (status, given["x-amzn-ErrorType"]) == (403, "InvalidSignatureException")
    assert "WWW-Authenticate" not in given


@pytest.mark.hostile("HTTP")
async def test_a_body_above_every_limit_is_not_read_to_check_its_signature(gated, settings):
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = {
        "X-Amz-Date": now,
        "Authorization": f"AWS4-HMAC-SHA256 Credential=AKALL/{now[:8]}/eu/sagemaker/aws4_request,"
        f" SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    }
    body = bytes(settings.max_body_bytes + 1)
    status, _, text = await ask(gated, ("POST", "/invocations"), headers, data=io.BytesIO(body))
    assert status == 400
    assert "larger than" in text
