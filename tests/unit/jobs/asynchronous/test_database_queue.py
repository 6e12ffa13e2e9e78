"""The queue on a real database."""

from __future__ import annotations

import time

import pytest

from mme.core.database import Database
from mme.jobs.asynchronous.database_queue import DatabaseQueue
from mme.jobs.asynchronous.request import State
from tests.unit.jobs.asynchronous.queue_contract import (
    QueueContract,
    add,
    claim,
    claimed,
    ids,
    request,
)


@pytest.fixture
async def database(tmp_path):
    opened = Database(tmp_path / "state.sqlite")
    yield opened
    opened.close()


@pytest.fixture
async def queue(database):
    return await DatabaseQueue.open(database)


@pytest.fixture
def again(database):
    return lambda: DatabaseQueue.open(database)


class TestDatabaseQueue(QueueContract):
    """All that is true of any queue."""


async def test_the_first_come_are_taken_first_of_each_endpoint(queue):
    await add(queue, "1", "2", "3")
    await add(queue, "4", endpoint="f")
    assert queue.waiting == {"e": 3, "f": 1}
    assert ids(await claim(queue, {"e": 2, "f": 2})) == ["1", "2", "4"]
    assert ids(await claim(queue, {"e": 2, "f": 2})) == ["3"]
    assert queue.waiting.total() == 0


async def test_endpoints_take_turns_where_there_is_room_for_one(queue):
    await add(queue, "1", "2")
    await add(queue, "3", "4", endpoint="f")
    wanted = {"e": 9, "f": 9}
    taken = [ids(await claim(queue, wanted, room=1)) for _ in range(4)]
    assert taken == [["1"], ["3"], ["2"], ["4"]]


async def test_what_was_in_progress_at_a_sudden_end_is_queued_at_the_next_start(queue, database):
    await add(queue, "1", "2")
    await claim(queue, {"e": 1})
    again = await DatabaseQueue.open(database)
    assert again.waiting == {"e": 2}
    entries = await claim(again, {"e": 5})
    assert [(each.request.inference_id, each.attempts) for each in entries] == [("1", 2), ("2", 1)]


async def test_what_has_ended_is_kept_without_its_body(queue, database):
    await add(queue, "1")
    (entry,) = await claimed(queue, {"e": 1}, 1)
    await queue.end(entry, State.FAILED, time.time())
    bodies = await database.run(lambda db: db.execute("SELECT body FROM async_requests").fetchall())
    assert bodies == [(None,)]


async def test_the_age_of_a_backlog_is_that_of_its_first(queue):
    now = time.time()
    await add(queue, "1", at=now)
    await add(queue, "2", at=now + 5)
    assert await queue.oldest("e") == now


async def test_requests_without_a_mark_are_never_the_same(queue):
    now = time.time()
    for endpoint, mark in (("e", ""), ("e", ""), ("e", "a"), ("f", "a")):
        await queue.add(request(endpoint, mark=mark), b"", now, now + 60)
    assert queue.waiting == {"e": 3, "f": 1}


async def test_a_name_without_requests_is_not_kept(queue):
    await add(queue, "1", endpoint="once")
    await claim(queue, {"once": 1})
    assert "once" not in queue.waiting
