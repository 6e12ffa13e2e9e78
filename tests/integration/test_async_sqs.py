"""Endpoints that share a queue in SQS: real ones, boto3 unmodified, S3 and SQS by moto."""

from __future__ import annotations

import contextlib
import signal
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tests.integration.test_async import aws, invoke, status
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.s3 import running_s3
from tests.support.sqs import REGION, made_queue
from tests.support.waiting import eventually

CALLS, PATIENCE_S = 200, 60.0
STORE = str(PROJECT / "artifacts")


@pytest.fixture(scope="module")
def aws_server():
    with running_s3() as server:
        server.client().create_bucket(Bucket="work")
        yield server


@pytest.fixture
def queue(aws_server):
    return made_queue(aws_server.url)


@pytest.fixture
def endpoints(aws_server, queue, tmp_path):
    """Starts endpoints that share the queue."""
    with contextlib.ExitStack() as stack:

        def start(name, **settings):
            given = {
                "AWS_ENDPOINT_URL_S3": aws_server.url,
                "AWS_ENDPOINT_URL_SQS": aws_server.url,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": REGION,
                "MME_ASYNC_OUTPUT": "s3://work/out/",
                "MME_QUEUE": queue.address,
                **settings,
            }
            return stack.enter_context(running_endpoint(STORE, tmp_path / name, given))

        yield start


def outputs(server):
    pages = server.client().get_paginator("list_objects_v2").paginate(Bucket="work", Prefix="out/")
    return [f"s3://work/{each['Key']}" for page in pages for each in page.get("Contents", [])]


def accepted_by(endpoint, count):
    """Where the answers will be of so many requests that the endpoint acknowledged."""
    client = aws("sagemaker-runtime", endpoint.url)
    with ThreadPoolExecutor(8) as threads:
        answers = [*threads.map(lambda _: invoke(client), range(count))]
    return {answer["OutputLocation"] for answer in answers}


def completed(endpoint):
    return endpoint.log.count("async any Completed")


def test_what_was_acknowledged_has_one_output_though_one_of_two_is_killed(
    endpoints, aws_server, queue
):
    first = endpoints("first", MME_QUEUE_LEASE_S="5")
    second = endpoints("second", MME_QUEUE_LEASE_S="5")
    accepted = accepted_by(first, CALLS // 2)
    accepted |= accepted_by(second, CALLS // 2)
    eventually(lambda: completed(first), lambda count: count > 0, PATIENCE_S)
    first.process.send_signal(signal.SIGKILL)
    found = eventually(
        lambda: outputs(aws_server), lambda uris: len({*uris} & accepted) >= CALLS, 2 * PATIENCE_S
    )
    assert sorted(found) == sorted(accepted)
    assert completed(second) > 0
    eventually(queue.counts, lambda counts: counts == (0, 0), PATIENCE_S)
    assert queue.dead() == []


def test_an_endpoint_that_stops_returns_at_once_what_it_has_not_ended(endpoints, aws_server, queue):
    settings = {"MME_QUEUE_LEASE_S": "3600", "MME_DRAIN_TIMEOUT_S": "0"}
    first = endpoints("first", **settings)
    before = {*outputs(aws_server)}
    accepted = accepted_by(first, 60)
    assert first.stop() == 0
    # What just came and had no room stays away for seconds; leases would for an hour.
    waiting, _ = eventually(queue.counts, lambda counts: counts[1] == 0, PATIENCE_S)
    assert waiting >= 60 - completed(first)
    endpoints("second", **settings)
    eventually(
        lambda: {*outputs(aws_server)} - before, lambda uris: uris >= accepted, 2 * PATIENCE_S
    )


def test_how_a_request_stands_is_told_by_who_accepted_it_whoever_executed_it(endpoints, aws_server):
    first = endpoints("first")
    second = endpoints("second")
    answers = [invoke(second.client()) for _ in range(4)]
    for answer in answers:
        found = eventually(
            lambda: status(second, answer["InferenceId"]),  # noqa: B023
            lambda told: told["Status"] == "Completed",
            PATIENCE_S,
        )
        assert found["OutputLocation"] == answer["OutputLocation"]
    with pytest.raises(urllib.error.HTTPError) as unknown:
        status(first, "never-accepted")
    assert unknown.value.code == 404
    assert b"MME_QUEUE" in unknown.value.read()


def test_an_endpoint_at_rest_comes_back_for_what_is_in_the_queue(endpoints, aws_server):
    endpoint = endpoints("only", MME_IDLE_S="2")
    endpoint.wait_for_log("the workers go down until the next request", PATIENCE_S)
    answer = invoke(endpoint.client())
    eventually(
        lambda: outputs(aws_server), lambda uris: answer["OutputLocation"] in uris, PATIENCE_S
    )


def test_a_queue_that_cannot_be_used_is_told_before_anything_is_accepted(endpoints, queue):
    address = queue.address + "-that-is-not-there"
    with pytest.raises(AssertionError, match=r"MME_QUEUE.*no such queue"):
        endpoints("lost", MME_QUEUE=address)
    with pytest.raises(AssertionError, match="write sqs://ACCOUNT/NAME"):
        endpoints("wrong", MME_QUEUE="work")


def test_what_sqs_does_not_take_is_not_acknowledged(endpoints, queue):
    endpoint = endpoints("first")
    queue.client.delete_queue(QueueUrl=queue.url)
    with pytest.raises(ClientError, match=r"MME_QUEUE.*no such queue") as refused:
        invoke(endpoint.client())
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
