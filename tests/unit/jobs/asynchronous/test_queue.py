"""The queue on a real database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mme.core.database import Database
from mme.jobs.asynchronous.queue import Queue
from mme.jobs.asynchronous.request import State
from tests.unit.jobs.asynchronous.test_execution import NOW, REQUEST


@pytest.fixture
async def database(tmp_path):
    opened = Database(tmp_path / "state.sqlite")
    yield opened
    opened.close()


@pytest.fixture
async def queue(database):
    return await Queue.open(database)


def request(endpoint="e", inference_id="i"):
    return replace(REQUEST, endpoint=endpoint, inference_id=inference_id)


async def add(queue, *ids, endpoint="e", at=NOW):
    for each in ids:
        await queue.add(request(endpoint, each), b"", at, at + 60)


def ids(entries):
    return [entry.request.inference_id for entry in entries]


async def test_the_first_come_are_taken_first_of_each_endpoint(queue):
    await add(queue, "1", "2", "3")
    await add(queue, "4", endpoint="f")
    assert queue.waiting == {"e": 3, "f": 1}
    assert ids(await queue.claim({"e": 2, "f": 2}, NOW)) == ["1", "2", "4"]
    assert ids(await queue.claim({"e": 2, "f": 2}, NOW)) == ["3"]
    assert queue.waiting.total() == 0


async def test_what_was_in_progress_at_the_end_is_queued_again_at_the_start(queue, database):
    await add(queue, "1", "2")
    await queue.claim({"e": 1}, NOW)
    again = await Queue.open(database)
    assert again.waiting == {"e": 2}
    entries = await again.claim({"e": 5}, NOW)
    assert [(each.request.inference_id, each.attempts) for each in entries] == [("1", 2), ("2", 1)]


async def test_what_has_ended_is_known_without_its_body_and_forgotten_later(queue, database):
    await add(queue, "1")
    (entry,) = await queue.claim({"e": 1}, NOW)
    await queue.end(entry, State.FAILED, NOW + 1, "why")
    standing = await queue.standing("e", "1")
    assert (standing.state, standing.reason, standing.ended_at) == (State.FAILED, "why", NOW + 1)
    bodies = await database.run(lambda db: db.execute("SELECT body FROM async_requests").fetchall())
    assert bodies == [(None,)]
    assert await queue.forget(NOW) == 0
    assert await queue.forget(NOW + 2) == 1
    assert await queue.standing("e", "1") is None


async def test_the_age_of_a_backlog_is_that_of_its_first(queue):
    assert await queue.oldest("e") is None
    await add(queue, "1", at=NOW)
    await add(queue, "2", at=NOW + 5)
    assert await queue.oldest("e") == NOW


async def test_the_last_of_several_with_one_id_is_told(queue):
    await add(queue, "same", at=NOW)
    await add(queue, "same", at=NOW + 5)
    assert (await queue.standing("e", "same")).received_at == NOW + 5


async def test_a_request_comes_back_as_it_was_queued(queue):
    whole = replace(request(), responses_in=("ERROR_NOTIFICATION_TOPIC",), headers={"a": "ü"})
    await queue.add(whole, None, NOW, NOW + 60)
    (entry,) = await queue.claim({"e": 1}, NOW)
    assert (entry.request, entry.body) == (whole, None)


async def test_a_call_that_is_repeated_by_its_client_is_queued_once(queue):
    for mark in ("a", "a", "b", ""):
        await queue.add(replace(request(), mark=mark), b"", NOW, NOW + 60)
    await queue.add(replace(request("f"), mark="a"), b"", NOW, NOW + 60)
    assert queue.waiting == {"e": 3, "f": 1}
    assert len(await queue.claim({"e": 9, "f": 9}, NOW)) == 4


async def test_a_call_repeated_after_its_end_is_not_executed_again(queue):
    await queue.add(replace(request(), mark="a"), b"", NOW, NOW + 60)
    (entry,) = await queue.claim({"e": 1}, NOW)
    await queue.end(entry, State.COMPLETED, NOW)
    await queue.add(replace(request(), mark="a"), b"", NOW, NOW + 60)
    assert not queue.waiting


async def test_a_name_without_requests_is_not_kept(queue):
    await add(queue, "1", endpoint="once")
    await queue.claim({"once": 1}, NOW)
    assert "once" not in queue.waiting
