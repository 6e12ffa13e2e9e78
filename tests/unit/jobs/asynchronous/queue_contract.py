"""What every queue of requests does, wherever it is kept; each keeper's tests bring the fixture."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from mme.jobs.asynchronous.request import Entry, State
from tests.unit.jobs.asynchronous.test_execution import REQUEST

PATIENCE_S = 60.0
MANY = 100


def request(endpoint="e", inference_id="i", mark=""):
    return replace(REQUEST, endpoint=endpoint, inference_id=inference_id, mark=mark)


async def add(queue, *ids, endpoint="e", at=None):
    at = time.time() if at is None else at
    for each in ids:
        await queue.add(request(endpoint, each), b"", at, at + 60)


async def claim(queue, wanted, room=MANY):
    """One look at the queue; `wanted`: how many of each endpoint may run."""
    return await queue.claim(lambda name: wanted.get(name, 0), room, time.time())


async def claimed(queue, wanted, count):
    """So many entries, however many looks that takes."""
    entries: list[Entry] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(entries) < count:
            left = dict(wanted)
            for entry in entries:
                left[entry.request.endpoint] -= 1
            entries += await claim(queue, left, count - len(entries))
            await asyncio.sleep(0)
    return entries


def ids(entries):
    return [entry.request.inference_id for entry in entries]


class QueueContract:
    """`queue` is an open queue that holds nothing."""

    async def test_what_was_added_is_claimed_once(self, queue):
        await add(queue, "1", "2", "3")
        entries = await claimed(queue, {"e": 9}, 3)
        assert sorted(ids(entries)) == ["1", "2", "3"]
        assert [each.attempts for each in entries] == [1, 1, 1]
        assert await claim(queue, {"e": 9}) == []

    async def test_no_more_is_claimed_of_an_endpoint_than_it_has_room_for(self, queue):
        await add(queue, "1", "2", "3")
        await add(queue, "4", endpoint="f")
        entries = await claimed(queue, {"e": 1, "f": 1}, 2)
        assert sorted(each.request.endpoint for each in entries) == ["e", "f"]

    async def test_what_had_no_room_is_claimed_when_there_is_some(self, queue):
        await add(queue, "1", "2", "3")
        (first,) = await claimed(queue, {"e": 1}, 1)
        await queue.end(first, State.COMPLETED, time.time())
        others = await claimed(queue, {"e": 2}, 2)
        assert sorted(ids([first, *others])) == ["1", "2", "3"]

    async def test_no_more_is_claimed_than_there_is_room_for_in_all(self, queue):
        await add(queue, "1", "2", "3")
        assert len(await claim(queue, {"e": 9}, 2)) == 2

    async def test_a_request_comes_back_as_it_was_queued(self, queue):
        whole = replace(
            request(), responses_in=("ERROR_NOTIFICATION_TOPIC",), headers={"a": "ü\r\n\x00"}
        )
        now, body = time.time(), bytes(range(256)) * 500
        await queue.add(whole, body, now, now + 60)
        (entry,) = await claimed(queue, {"e": 9}, 1)
        assert (entry.request, entry.body) == (whole, body)
        assert (entry.received_at, entry.expires_at) == (now, now + 60)

    async def test_a_request_without_a_body_has_none(self, queue):
        await queue.add(request(), None, time.time(), time.time() + 60)
        assert (await claimed(queue, {"e": 9}, 1))[0].body is None

    async def test_what_is_put_back_comes_again_and_says_that_it_did(self, queue):
        await add(queue, "1")
        (entry,) = await claimed(queue, {"e": 1}, 1)
        await queue.put_back(entry, time.time())
        (again,) = await claimed(queue, {"e": 1}, 1)
        assert (again.request, again.attempts) == (entry.request, 2)

    async def test_what_is_put_back_for_later_does_not_come_before(self, queue):
        await add(queue, "1")
        (entry,) = await claimed(queue, {"e": 1}, 1)
        await queue.put_back(entry, time.time() + 3600)
        assert await claim(queue, {"e": 1}) == []

    async def test_a_call_that_is_repeated_by_its_client_is_queued_once(self, queue):
        now = time.time()
        for mark in ("a", "a", "b"):
            await queue.add(request(mark=mark), b"", now, now + 60)
        entries = await claimed(queue, {"e": 9}, 2)
        assert sorted(each.request.mark for each in entries) == ["a", "b"]
        assert await claim(queue, {"e": 9}) == []

    async def test_a_call_repeated_after_its_end_is_not_executed_again(self, queue):
        now = time.time()
        await queue.add(request(mark="a"), b"", now, now + 60)
        (entry,) = await claimed(queue, {"e": 1}, 1)
        await queue.end(entry, State.COMPLETED, now)
        await queue.add(request(mark="a"), b"", now, now + 60)
        assert await claim(queue, {"e": 1}) == []

    async def test_a_request_is_queued_then_in_progress_then_ended(self, queue):
        await add(queue, "1")
        states = [(await queue.standing("e", "1")).state]
        (entry,) = await claimed(queue, {"e": 1}, 1)
        states.append((await queue.standing("e", "1")).state)
        ended_at = time.time()
        await queue.end(entry, State.FAILED, ended_at, "why")
        standing = await queue.standing("e", "1")
        assert states == [State.QUEUED, State.IN_PROGRESS]
        assert (standing.state, standing.reason, standing.ended_at, standing.attempts) == (
            State.FAILED, "why", ended_at, 1,
        )  # fmt: skip

    async def test_what_has_ended_is_forgotten_later(self, queue):
        await add(queue, "1")
        (entry,) = await claimed(queue, {"e": 1}, 1)
        ended_at = time.time()
        await queue.end(entry, State.COMPLETED, ended_at)
        await queue.forget(ended_at - 1)
        assert await queue.standing("e", "1") is not None
        await queue.forget(ended_at + 1)
        assert await queue.standing("e", "1") is None

    async def test_the_last_of_several_with_one_id_is_told(self, queue):
        now = time.time()
        await add(queue, "same", at=now)
        await add(queue, "same", at=now + 5)
        assert (await queue.standing("e", "same")).received_at == now + 5

    async def test_of_what_never_was_nothing_is_known(self, queue):
        assert await queue.standing("e", "none") is None
        assert await queue.oldest("e") is None

    async def test_what_waits_is_counted_and_what_is_claimed_waits_no_more(self, queue):
        await add(queue, "1", "2", "3")
        assert (await queue.depth("e")).waiting == 3
        await claimed(queue, {"e": 1}, 1)
        # Those that had no room here may be on their way back.
        depth = await queue.depth("e")
        assert depth.waiting + (depth.taken or 1) == 3
        assert queue.waiting_in_all() == depth.waiting

    async def test_what_was_not_ended_is_given_to_whoever_opens_the_queue_next(self, queue, again):
        await add(queue, "1", "2")
        entries = await claimed(queue, {"e": 2}, 2)
        await queue.end(entries[0], State.COMPLETED, time.time())
        await queue.stop()
        await queue.close()
        (left,) = await claimed(await again(), {"e": 2}, 1)
        assert left.request == entries[1].request
        assert left.attempts == 2
