"""The control-plane surface: what is asked, by whom, and how errors look to clients."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mme.core.errors import StateUnavailable
from mme.endpoints.arns import REGION
from mme.endpoints.operation import ControlPlaneError
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from tests.support.fake_engine import served

TYPE = "application/x-amz-json-1.1"
CREATE = {"X-Amz-Target": "SageMaker.DescribeEndpoint", "Content-Type": TYPE}
BODY = json.dumps({"EndpointName": "e"})


class Operations:
    """A table of operations that keep what they were asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.regions: list[str] = []
        self.failure: Exception | None = None
        self.answer: dict[str, Any] = {}
        self.begun, self.done = asyncio.Event(), asyncio.Event()
        self.hold: asyncio.Event | None = None
        """An operation waits for it."""

    async def operation(self, request):
        self.asked.append(request)
        self.regions.append(REGION.get())
        self.begun.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        self.done.set()
        return self.answer

    def table(self):
        names = ("DescribeEndpoint", "ListEndpoints", "DeleteEndpoint", "DescribeScalingPolicies")
        return dict.fromkeys(names, self.operation)


@pytest.fixture
def operations() -> Operations:
    return Operations()


@pytest.fixture
async def control(settings, engine, bodies, operations):
    serving = Serving(settings, engine)
    async with served(make_app(settings, engine, serving, bodies, operations.table())) as running:
        yield running


def client_of(running, service="sagemaker", region="eu-west-3"):
    return boto3.client(
        service,
        endpoint_url=running.url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


async def test_an_unmodified_client_is_answered(control, operations):
    now = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    operations.answer = {
        "EndpointName": "e",
        "EndpointArn": "arn",
        "EndpointStatus": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
        "FailureReason": None,
    }
    client = client_of(control)
    told = await asyncio.to_thread(client.describe_endpoint, EndpointName="e")
    assert told["CreationTime"] == now
    assert "FailureReason" not in told
    assert operations.asked == [{"EndpointName": "e"}]
    assert operations.regions == ["eu-west-3"]


async def test_a_list_gets_its_times_as_datetimes(control, operations):
    operations.answer = {"Endpoints": []}
    since = datetime(2026, 1, 2, tzinfo=UTC)
    await asyncio.to_thread(client_of(control).list_endpoints, CreationTimeAfter=since)
    assert operations.asked == [{"CreationTimeAfter": since}]


@pytest.mark.parametrize("code", ["ValidationException", "ResourceNotFound", "ResourceInUse"])
async def test_an_error_is_of_the_class_that_its_code_names(control, operations, code):
    operations.failure = ControlPlaneError(code, "because")
    client = client_of(control)
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(client.describe_endpoint, EndpointName="e")
    assert caught.value.response["Error"] == {"Code": code, "Message": "because"}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert isinstance(caught.value, getattr(client.exceptions, code, ClientError))


async def test_the_other_service_has_its_own_errors(control, operations):
    operations.failure = ControlPlaneError("InvalidNextTokenException", "because")
    client = client_of(control, "application-autoscaling")
    with pytest.raises(client.exceptions.InvalidNextTokenException):
        await asyncio.to_thread(client.describe_scaling_policies, ServiceNamespace="sagemaker")


async def test_the_waiter_for_the_end_of_an_endpoint_ends_at_once(control, operations):
    operations.failure = ControlPlaneError("ValidationException", "Could not find endpoint")
    waiter = client_of(control).get_waiter("endpoint_deleted")
    await asyncio.to_thread(waiter.wait, EndpointName="e")
    assert len(operations.asked) == 1


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("SageMaker.CreateTrainingJob", "'SageMaker.CreateTrainingJob' is not served here"),
        ("SageMaker.CreateInferenceComponent", "inference components are not served here"),
        ("SageMaker.DescribeScalingPolicies", "has no operation"),
        ("AnyScaleFrontendService.DescribeEndpoint", "has no operation"),
        ("Logs.DescribeLogStreams", "is not served here"),
        ("Elsewhere.DescribeEndpoint", "is not served here"),
        ("DescribeEndpoint", "is not served here"),
        ("x" * 10_000, "is not served here"),
    ],
)
async def test_an_operation_that_is_not_served_is_named(control, operations, named, words):
    headers = CREATE | {"X-Amz-Target": named}
    async with control.client.post("/", headers=headers, data=BODY) as answer:
        assert answer.status == 400
        told = await answer.json(content_type=TYPE)
    assert told["__type"] == "UnknownOperationException"
    assert words in told["message"]
    assert len(told["message"]) < 300
    assert operations.asked == []


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "ValidationException"),
        (b"{}", "ValidationException"),
        (b'{"EndpointName": "e", "More": 1}', "ValidationException"),
        (b'{"EndpointName": "' + b"e" * 64 + b'"}', "ValidationException"),
        (b'{"EndpointName": "\\ud800"}', "ValidationException"),
        (b'{"\\ud800": "e"}', "ValidationException"),
        (b"[]", "SerializationException"),
        (b"{", "SerializationException"),
        (b"\xff", "SerializationException"),
        (b'{"EndpointName": NaN}', "SerializationException"),
        (b"[" * 100_000, "SerializationException"),
        (b'{"EndpointName": ' + b"9" * 10_000 + b"}", "SerializationException"),
        (b'{"EndpointName": "' + b"e" * 2_000_000 + b'"}', "ValidationException"),
    ],
)
async def test_a_body_that_is_no_request_is_refused(control, operations, body, code):
    async with control.client.post("/", headers=CREATE, data=io.BytesIO(body)) as answer:
        assert answer.status == 400
        assert (await answer.json(content_type=TYPE))["__type"] == code
    assert operations.asked == []


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://example.org"}, 403),
        ({"Content-Type": "text/plain"}, 400),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 400),
    ],
)
async def test_a_page_of_another_site_creates_nothing(control, operations, headers, status):
    async with control.client.post("/", headers=CREATE | headers, data=BODY) as answer:
        assert answer.status == status
    assert operations.asked == []


async def test_the_log_has_the_operation_and_nothing_of_a_body(control, caplog):
    caplog.set_level("INFO")
    secret = json.dumps({"EndpointName": "very secret words"})
    async with control.client.post("/", headers=CREATE, data=secret) as answer:
        assert "very secret words" in (await answer.json(content_type=TYPE))["message"]
    assert "very secret" not in caplog.text


async def test_an_operation_whose_client_goes_is_done_all_the_same(control, operations):
    operations.hold = asyncio.Event()
    asking = asyncio.create_task(control.client.post("/", headers=CREATE, data=BODY).__aenter__())
    await asyncio.wait_for(operations.begun.wait(), 10)
    asking.cancel()
    await asyncio.wait({asking})
    async with control.client.get("/ping"):  # the end of the connection has been seen by now
        operations.hold.set()
    await asyncio.wait_for(operations.done.wait(), 10)
    assert operations.asked == [{"EndpointName": "e"}]


async def test_without_an_operation_there_is_nothing_at_the_root(control):
    async with control.client.post("/", data=BODY) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("authorization", "region"),
    [
        ("", "us-east-1"),
        (
            "AWS4-HMAC-SHA256 Credential=x/20260101/eu-north-1/sagemaker/aws4_request, S=",
            "eu-north-1",
        ),
        ("AWS4-HMAC-SHA256 Credential=x/20260101/../sagemaker", "us-east-1"),
        ("Bearer " + "/" * 4000, "us-east-1"),
    ],
)
async def test_the_region_is_that_of_the_signature(control, operations, authorization, region):
    headers = CREATE | {"Authorization": authorization}
    async with control.client.post("/", headers=headers, data=BODY) as answer:
        assert answer.status == 200
    assert operations.regions == [region]


async def test_state_that_cannot_be_kept_is_an_outage_that_clients_try_again(control, operations):
    operations.failure = StateUnavailable("database or disk is full")
    client = client_of(control)
    with pytest.raises(ClientError, match="disk is full") as caught:
        await asyncio.to_thread(client.describe_endpoint, EndpointName="e")
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


async def test_a_request_that_is_too_large_is_told_the_limit_of_the_control_plane(control):
    body = b'{"ModelName": "%s"}' % (b"x" * 300_000)
    async with control.client.post("/", data=body, headers=CREATE) as answer:
        told = await answer.json(content_type=None)
    assert answer.status == 400
    assert "the 262144 bytes a request to the control plane may carry" in told["message"]
