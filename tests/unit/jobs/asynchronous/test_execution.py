"""One request from the queue to its end, on a real queue and a world that does as a test says."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from mme.core.answer import Answer
from mme.core.database import Database
from mme.core.errors import Busy, ModelFailed, ModelTimedOut, ShuttingDown
from mme.core.timing import StepTime
from mme.jobs.asynchronous.database_queue import DatabaseQueue
from mme.jobs.asynchronous.execution import Executor
from mme.jobs.asynchronous.metrics import Metrics
from mme.jobs.asynchronous.request import AsyncRequest, State
from mme.jobs.asynchronous.room import Room
from mme.store.object_errors import ObjectDenied, ObjectNotFound, ObjectsUnavailable
from mme.store.objects import ObjectFacts

NOW = 1_800_000_000.0
LIMIT_BYTES = 1000
REQUEST = AsyncRequest(
    endpoint="e",
    inference_id="i",
    variant="v",
    key="m.tar.gz",
    headers={"Content-Type": "text/csv"},
    input_uri="",
    output_uri="s3://out/i.out",
    failure_uri="s3://out/i-error.out",
    timeout_s=900.0,
    content_type="text/csv",
    success_topic="good",
    error_topic="bad",
)


class World:
    """Models, S3, SNS and time."""

    def __init__(self):
        self.now = NOW
        self.outcomes = [Answer(200, {"content-type": "application/json"}, b"[1]", cold=False)]
        self.asked = []
        self.objects = {}
        self.faults = []
        """What the next writes raise."""
        self.told = []
        self.takes_messages = True
        self.pauses = []

    async def invoke(self, target, headers, body, terms):
        self.asked.append((target, dict(headers), body, terms))
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def get(self, uri, limit_bytes):
        assert limit_bytes == LIMIT_BYTES
        found = self.objects.get(uri)
        if found is None:
            raise ObjectNotFound(uri)
        body, content_type = found
        return body, ObjectFacts(uri, len(body), "etag", content_type)

    def write(self, uri, body, content_type=""):
        if self.faults:
            raise self.faults.pop(0)
        self.objects[uri] = (body, content_type)

    def publish(self, topic, message):
        self.told.append((topic, json.loads(json.dumps(message))))
        return self.takes_messages

    async def run(self, work):
        return work()

    async def sleep(self, seconds):
        self.pauses.append(seconds)


@pytest.fixture
def world():
    return World()


@pytest.fixture
async def queue(tmp_path):
    database = Database(tmp_path / "state.sqlite")
    yield await DatabaseQueue.open(database)
    database.close()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def executor(world, queue, metrics):
    return Executor(
        queue, world, world, world, metrics,
        run=world.run, room=Room(4 * LIMIT_BYTES), region="eu-central-1",
        limit_bytes=LIMIT_BYTES, clock=lambda: world.now, sleep=world.sleep,
    )  # fmt: skip


async def executed(queue, executor, request=REQUEST, body=b"a,b", ttl_s=60.0):
    await queue.add(request, body, NOW, NOW + ttl_s)
    (entry,) = await queue.claim(lambda _: 1, 1, NOW)
    await executor.execute(entry)
    return await queue.standing("e", "i")


async def test_an_answer_is_written_with_its_type_and_the_topic_is_told(queue, executor, world):
    standing = await executed(queue, executor)
    assert standing.state is State.COMPLETED
    assert world.objects == {"s3://out/i.out": (b"[1]", "application/json")}
    ((topic, message),) = world.told
    assert (topic, message["invocationStatus"]) == ("good", "Completed")
    (asked,) = world.asked
    assert asked[:3] == ("m.tar.gz", {"Content-Type": "text/csv"}, b"a,b")
    assert (asked[3].timeout_s, asked[3].answer_limit_bytes) == (900.0, LIMIT_BYTES)


CSV, JSON = {"Content-Type": "text/csv"}, {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "types",
    [
        (CSV, "application/json", CSV),
        ({}, "application/json", JSON),
        ({}, "binary/octet-stream", {}),
    ],
    ids=str,
)
async def test_an_input_in_s3_has_the_type_of_its_object_if_the_caller_gave_none(
    queue, executor, world, types
):
    told, stored, seen = types
    world.objects["s3://in/x"] = (b"from s3", stored)
    request = replace(REQUEST, input_uri="s3://in/x", headers=told)
    standing = await executed(queue, executor, request, body=None)
    assert standing.state is State.COMPLETED
    assert world.asked[0][1:3] == (seen, b"from s3")


FAILURES = [
    (
        Answer(400, {}, b"bad rows", cold=False),
        "ClientError: Received client error (400) from model. bad rows",
        b"bad rows",
    ),
    (
        Answer(400, {}, b"bad rows", cold=False, steps=(StepTime("a", 0.1), StepTime("b", 0.1))),
        "ClientError: Received client error (400) from b. bad rows",
        b"bad rows",
    ),
    (
        ModelFailed("m", 500, "broken"),
        "InternalServerError: Received server error (500) from model. broken",
        b"broken",
    ),
    (
        ObjectNotFound("s3://in/x"),
        "ClientError: s3://in/x: there is no such object",
        b"s3://in/x: there is no such object",
    ),
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_what_trying_again_would_not_mend_is_a_failure(
    queue, executor, world, metrics, failure
):
    outcome, reason, body = failure
    world.outcomes = [outcome]
    standing = await executed(queue, executor)
    assert (standing.state, standing.reason) == (State.FAILED, reason)
    assert list(world.objects) == ["s3://out/i-error.out"]
    assert world.objects["s3://out/i-error.out"][0] == body
    ((topic, message),) = world.told
    assert (topic, message["failureReason"]) == ("bad", reason)
    assert metrics.of("e", "v").counts["InvocationFailures"] == 1


async def test_a_model_that_takes_too_long_has_failed(queue, executor, world):
    world.outcomes = [ModelTimedOut("m", 900.0)]
    standing = await executed(queue, executor)
    assert standing.state is State.FAILED
    assert "900 s" in standing.reason


async def test_what_its_queue_gives_out_no_more_fails_with_the_reason(queue, executor, world):
    world.outcomes = [Busy("m", 100)]
    await queue.add(REQUEST, b"", NOW, NOW + 60)
    (entry,) = await queue.claim(lambda _: 1, 1, NOW)
    await executor.execute(replace(entry, attempts=400, is_last=True))
    standing = await queue.standing("e", "i")
    assert standing.state is State.FAILED
    assert standing.reason.startswith("InternalServerError: given up after 400 deliveries: Model")
    assert b"busy" in world.objects["s3://out/i-error.out"][0]


@pytest.mark.parametrize("error", [Busy("m", 100), ShuttingDown()], ids=str)
async def test_what_may_pass_puts_a_request_back(queue, executor, world, error):
    world.outcomes = [error]
    standing = await executed(queue, executor)
    assert standing.state is State.QUEUED
    assert (world.objects, world.told) == ({}, [])
    assert await queue.claim(lambda _: 1, 1, NOW) == []
    (entry,) = await queue.claim(lambda _: 1, 1, NOW + 1)
    assert (entry.attempts, entry.body) == (2, b"a,b")


async def test_a_request_whose_time_is_over_is_not_asked_any_more(queue, executor, world, metrics):
    world.now = NOW + 61
    standing = await executed(queue, executor)
    assert standing.state is State.EXPIRED
    assert world.asked == []
    assert world.told[0][1]["invocationStatus"] == "Expired"
    assert metrics.of("e", "v").counts["ExpiredRequests"] == 1


async def test_an_answer_waits_for_s3_however_long_it_is_away(queue, executor, world):
    world.faults = [ObjectsUnavailable("s3://out/i.out", "503") for _ in range(20)]
    standing = await executed(queue, executor)
    assert standing.state is State.COMPLETED
    assert len(world.asked) == 1
    assert (world.pauses[0], world.pauses[-1]) == (0.5, 60.0)


async def test_an_output_that_may_not_be_written_is_a_failure_that_names_the_right(
    queue, executor, world
):
    world.faults = [ObjectDenied("s3://out/i.out", "s3:PutObject")]
    standing = await executed(queue, executor)
    assert standing.state is State.FAILED
    assert "s3:PutObject" in standing.reason


async def test_a_topic_that_fails_fails_no_inference(queue, executor, world, metrics):
    world.takes_messages = False
    standing = await executed(queue, executor)
    assert standing.state is State.COMPLETED
    assert metrics.of("e", "v").counts["NotificationFailures"] == 1


async def test_a_real_clock_measures_the_backlog(queue, world, metrics):
    executor = Executor(
        queue, world, world, world, metrics,
        run=world.run, room=Room(LIMIT_BYTES), region="", limit_bytes=LIMIT_BYTES,
    )  # fmt: skip
    received_at = time.time() - 5
    await queue.add(REQUEST, b"", received_at, received_at + 60)
    (entry,) = await queue.claim(lambda _: 1, 1, time.time())
    await executor.execute(entry)
    assert metrics.of("e", "v").durations["TimeInBacklog"].least_s >= 5
