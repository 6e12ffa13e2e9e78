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

CALLS, PATIENCE_S, START_TIMEOUT_S = 200, 60.0, 110
STORE = str(PROJECT / "artifacts")


@pytest.fixture(scope="module")
def aws_server():
    with running_s3() as server:
        server.client().create_bucket(Bucket="work")
        yield server


@pytest.fixture
def queue(aws_server):
    return made_queue(aws_server.url)


@contextlib.contextmanager
def sharing(aws_server, queue, scratch, **settings):
    """An endpoint that shares the queue."""
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
    with running_endpoint(STORE, scratch, given, start_timeout_s=START_TIMEOUT_S) as running:
        yield running


@pytest.fixture
def endpoints(aws_server, queue, tmp_path):
    """Starts endpoints that share the test's queue."""
    with contextlib.ExitStack() as stack:

        def start(name, **settings):
            made = sharing(aws_server, queue, tmp_path / name, **settings)
            return stack.enter_context(made)

        yield start


@pytest.fixture(scope="module")
def resting(aws_server, tmp_path_factory):
    """One that rests soon, and its queue."""
    queue, scratch = made_queue(aws_server.url), tmp_path_factory.mktemp("resting")
    with sharing(aws_server, queue, scratch, MME_IDLE_S="2") as running:
        yield running, queue


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


@pytest.mark.timeout(400)
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


@pytest.mark.timeout(400)
def test_an_endpoint_that_stops_returns_at_once_what_it_has_not_ended(endpoints, aws_server, queue):
    settings = {"MME_QUEUE_LEASE_S": "3600", "MME_DRAIN_TIMEOUT_S": "0"}
    first = endpoints("first", **settings)
    before = {*outputs(aws_server)}
    accepted = accepted_by(first, 60)
    assert first.stop() == 0
    # What just came and had no room stays away for seconds; leases would for an hour.
    waiting, _ = eventually(queue.counts, lambda counts: counts[1] == 0, PATIENCE_S)
    assert waiting >= 60 - len({*outputs(aws_server)} - before)
    endpoints("second", **settings)
    eventually(
        lambda: {*outputs(aws_server)} - before, lambda uris: uris >= accepted, 2 * PATIENCE_S
    )


def test_an_endpoint_at_rest_comes_back_for_what_is_in_the_queue(resting, aws_server):
    endpoint, _ = resting
    endpoint.wait_for_log("the workers go down until the next request", PATIENCE_S)
    answer = invoke(endpoint.client())
    eventually(
        lambda: outputs(aws_server), lambda uris: answer["OutputLocation"] in uris, PATIENCE_S
    )


def test_how_a_request_stands_is_known_where_it_was_accepted_and_not_elsewhere(resting):
    endpoint, _ = resting
    answer = invoke(endpoint.client())
    found = eventually(
        lambda: status(endpoint, answer["InferenceId"]),
        lambda told: told["Status"] == "Completed",
        PATIENCE_S,
    )
    assert found["OutputLocation"] == answer["OutputLocation"]
    with pytest.raises(urllib.error.HTTPError) as unknown:
        status(endpoint, "accepted-elsewhere")
    assert unknown.value.code == 404
    assert b"MME_QUEUE" in unknown.value.read()


def test_what_sqs_does_not_take_is_not_acknowledged(resting):
    endpoint, queue = resting
    queue.client.delete_queue(QueueUrl=queue.url)
    try:
        with pytest.raises(ClientError, match=r"MME_QUEUE.*no such queue") as refused:
            invoke(endpoint.client())
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    finally:
        queue.client.create_queue(QueueName=queue.name)


def test_a_queue_that_is_not_there_is_told_before_anything_is_accepted(endpoints, queue):
    with pytest.raises(AssertionError, match=r"MME_QUEUE.*no such queue"):
        endpoints("lost", MME_QUEUE=f"{queue.address}-none")
