"""Which requests are executed at a time, and where their answers go."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from mme.core.database import Database
from mme.core.errors import StateUnavailable
from mme.endpoints.serving import AsyncTerms
from mme.jobs.asynchronous import messages
from mme.jobs.asynchronous.database_queue import DatabaseQueue
from mme.jobs.asynchronous.metrics import Metrics
from mme.jobs.asynchronous.queue import Depth
from mme.jobs.asynchronous.request import Entry, Naming, mark_of, places_of
from mme.jobs.asynchronous.room import Room
from mme.jobs.asynchronous.service import AsyncInference
from mme.jobs.asynchronous.turns import shares
from tests.support.fake_engine import until
from tests.unit.jobs.asynchronous.test_execution import NOW, REQUEST

MARK = "0a1b2c3d-4e5f"


@pytest.mark.parametrize(
    ("wanted", "room", "turn", "expected"),
    [
        ({}, 5, 0, {}),
        ({"a": 3}, 5, 0, {"a": 3}),
        ({"a": 9, "b": 9}, 4, 0, {"a": 2, "b": 2}),
        ({"a": 9, "b": 1}, 6, 0, {"a": 5, "b": 1}),
        ({"a": 9, "b": 9}, 1, 0, {"a": 1}),
        ({"a": 9, "b": 9}, 1, 1, {"b": 1}),
        ({"a": 0, "b": -2}, 4, 0, {}),
        ({"a": 4}, 0, 0, {}),
    ],
)
def test_endpoints_share_alike_and_take_turns(wanted, room, turn, expected):
    assert shares(wanted, room, turn) == expected


@pytest.mark.parametrize(
    ("naming", "output", "failure"),
    [
        (("", "", ""), f"s3://o/{MARK}.out", f"s3://o/{MARK}-error.out"),
        (("a/b c", "", ""), "s3://o/a-b-c-0a1b2c3d.out", "s3://o/a-b-c-0a1b2c3d-error.out"),
        (
            ("x", "scores.json", "/day/1/"),
            "s3://o/day/1/scores.json",
            "s3://o/day/1/scores-error.out",
        ),
    ],
)
def test_objects_are_named_by_the_caller_or_the_inference_id(naming, output, failure):
    inference_id, filename, extension = naming
    places = places_of(AsyncTerms("s3://o/"), Naming(inference_id, filename, extension, MARK))
    assert (places.output_uri, places.failure_uri) == (output, failure)


def test_failures_lie_below_their_own_prefix():
    places = places_of(AsyncTerms("s3://o", "s3://f/x"), Naming("", "", "", MARK))
    assert places.failure_uri == f"s3://f/x/{MARK}-error.out"


def test_a_message_holds_an_answer_only_where_it_is_wanted_and_small():
    wanted = replace(REQUEST, responses_in=("SUCCESS_NOTIFICATION_TOPIC",))
    large = b"x" * (messages.MOST_INCLUDED_BYTES + 1)
    told = [
        messages.completed(Entry(1, request, b"", NOW, NOW, 1), "r", NOW, "text/plain", answer)
        for request, answer in ((REQUEST, b"[1]"), (wanted, large), (wanted, b"[1]"))
    ]
    assert ["responseBody" in message for message in told] == [False, False, True]
    assert told[2]["responseBody"]["content"] == "WzFd"
    assert told[0]["eventTime"] == "2027-01-15T08:00:00.000Z"


class Executions:
    """Requests that run until a test lets them go."""

    def __init__(self):
        self.running = []
        self.may_end = asyncio.Event()

    async def execute(self, entry):
        self.running.append(entry.request.inference_id)
        await self.may_end.wait()


@pytest.fixture
async def queue(tmp_path):
    database = Database(tmp_path / "state.sqlite")
    yield await DatabaseQueue.open(database)
    database.close()


async def test_no_more_of_an_endpoint_run_than_it_allows(queue):
    executions = Executions()
    jobs = AsyncInference(queue, executions, Metrics(), {"e": 2, "f": 1}.__getitem__)
    jobs.start()
    for number in range(5):
        for endpoint in "ef":
            request = replace(REQUEST, endpoint=endpoint, inference_id=f"{endpoint}{number}")
            await jobs.submit(request, b"", 60.0)
    await until(lambda: len(executions.running) == 3)
    assert sorted(executions.running) == ["e0", "e1", "f0"]
    told = {each["MetricName"]: each["Value"] for each in (await jobs.metrics("e"))[:4]}
    assert told["ApproximateBacklogSize"] == 5
    executions.may_end.set()
    await until(lambda: len(executions.running) == 10)
    await jobs.close(1.0)


async def test_what_does_not_end_in_time_is_left_for_the_next_start(queue):
    executions = Executions()
    jobs = AsyncInference(queue, executions, Metrics(), lambda _: 1)
    jobs.start()
    await jobs.submit(REQUEST, b"", 60.0)
    await until(lambda: executions.running == ["i"])
    await jobs.close(0.0)
    assert (await queue.standing("e", "i")).ended_at is None


async def test_one_that_could_not_be_ended_is_queued_again_when_the_database_is_well(queue):
    class Failing(Executions):
        async def execute(self, entry):
            await super().execute(entry)
            if len(self.running) == 1:
                raise StateUnavailable("database or disk is full")

    put_back, faults = queue.put_back, [True, True, True]

    async def failing(entry, due_at):
        if faults:
            faults.pop()
            raise StateUnavailable("database or disk is full")
        await put_back(entry, 0.0)

    async def pause(_):
        await asyncio.sleep(0)

    queue.put_back = failing
    executions = Failing()
    executions.may_end.set()
    jobs = AsyncInference(queue, executions, Metrics(), lambda _: 1, sleep=pause)
    jobs.start()
    await jobs.submit(REQUEST, b"", 60.0)
    await until(lambda: executions.running == ["i", "i"])
    await jobs.close(1.0)


async def test_bodies_wait_for_room_and_small_ones_leave_it_to_others():
    room = Room(100)
    async with room.held(100) as share:
        waiting = asyncio.ensure_future(room.held(50).__aenter__())
        await asyncio.sleep(0)
        assert not waiting.done()
        share.shrink_to(10)
        await waiting
        assert room.held_bytes == 60


async def test_one_that_is_larger_than_all_room_comes_alone():
    room = Room(100)
    async with room.held(1000):
        assert room.held_bytes == 1000
    assert room.held_bytes == 0


def test_attempts_of_one_call_have_one_mark_and_nothing_else_has():
    assert mark_of("call", "e", b"body") == mark_of("call", "e", b"body")
    others = [
        mark_of("call", "e", b"other"),
        mark_of("another", "e", b"body"),
        mark_of("call", "eb", b"ody"),
        mark_of(None, "e", b"body"),
        mark_of(None, "e", b"body"),
    ]
    assert len({mark_of("call", "e", b"body"), *others}) == 6


def test_of_names_without_end_the_last_are_known():
    metrics = Metrics()
    first = metrics.of("0", "v")
    for number in range(1, 1000):
        metrics.of(str(number), "v")
    assert metrics.of("0", "v") is first
    metrics.of("1000", "v")
    assert metrics.of("0", "v") is first
    nothing = Depth(0)
    assert len(metrics.data("1", nothing, 0, 0.0)) == len(metrics.data("never", nothing, 0, 0.0))


def test_what_each_instance_has_of_a_shared_backlog_is_not_told():
    told = [
        {each["MetricName"]: each["Value"] for each in Metrics().data("e", depth, 3, 0.0)}
        for depth in (Depth(5), Depth(5, taken=4))
    ]
    assert [each["ApproximateBacklogSize"] for each in told] == [8, 9]
    assert ["ApproximateBacklogSizePerInstance" in each for each in told] == [True, False]
