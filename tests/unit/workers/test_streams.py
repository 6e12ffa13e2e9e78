"""Answers in pieces on their way through the workers' room: passed on once, by one worker."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from mme.core.errors import ModelFailed, ModelTimedOut, ShuttingDown
from mme.core.parts import HIGH_WATER_BYTES, Parts
from mme.core.terms import Terms
from mme.workers.watch import LEFT_S
from tests.support.fake_engine import until
from tests.support.fake_worker import POURED, Manner
from tests.support.workers import running_workers

SOCKET_BYTES = 1024 * 1024
"""More than lies between a worker and the gateway at any time."""


@pytest.fixture
async def bench(tmp_path):
    async with running_workers(tmp_path) as running:
        yield running


class Stream:
    """A request whose answer is read in pieces."""

    def __init__(self, bench, manner, body=b"12345", model=None):
        self.parts = Parts()
        self.model = bench.model() if model is None else model
        bench.mms.manners[self.model.name] = manner
        self.answer = asyncio.create_task(bench.ask(self.model, body, Terms(parts=self.parts)))
        self.answer.add_done_callback(lambda _: self.parts.end())

    async def rest(self) -> bytes:
        found = b""
        while (piece := await self.parts.next()) is not None:
            found += piece
        return found

    async def left(self) -> None:
        """The reader goes."""
        self.parts.close()
        self.answer.cancel()
        await asyncio.gather(self.answer, return_exceptions=True)


async def test_a_piece_is_there_before_the_answer_has_ended(bench):
    stream = Stream(bench, Manner.HANG_WITHIN_PARTS)
    assert await stream.parts.next() == b"ok %s" % stream.model.name.encode()
    assert stream.parts.headers == {"content-type": "text/plain"}
    assert not stream.answer.done()
    bench.let_go()
    answer = await stream.answer
    assert (answer.status, answer.body) == (200, b" 5")
    assert await stream.rest() == b""
    (question,) = bench.mms.workers[0].asked
    assert question.in_parts


async def test_where_nobody_wants_pieces_they_are_joined(bench):
    model = bench.model()
    bench.mms.manners[model.name] = Manner.ANSWER_IN_PARTS
    assert (await bench.ask(model)).body == b"ok %s 5" % model.name.encode()
    (question,) = bench.mms.workers[0].asked
    assert not question.in_parts


async def test_through_the_model_server_an_answer_comes_whole(tmp_path):
    async with running_workers(tmp_path, invoke="mms") as bench:
        stream = Stream(bench, Manner.ANSWER)
        assert await stream.parts.next() is None
        assert (await stream.answer).body == b"ok %s 5" % stream.model.name.encode()


async def test_an_error_after_pieces_is_the_answer(bench):
    stream = Stream(bench, Manner.BREAK_OFF)
    assert await stream.rest() == b"ok %s 5" % stream.model.name.encode()
    assert (await stream.answer).status == 503


async def test_a_death_after_pieces_is_an_error_and_no_other_worker_is_asked(bench):
    stream = Stream(bench, Manner.DIE_WITHIN_PARTS)
    with pytest.raises(ModelFailed):
        await stream.answer
    assert await stream.rest() == b"ok %s" % stream.model.name.encode()
    bench.mms.manners.clear()
    assert (await bench.ask(stream.model)).status == 200


async def test_nor_is_it_when_the_model_server_ends(bench):
    stream = Stream(bench, Manner.HANG_WITHIN_PARTS)
    await stream.parts.next()
    await bench.mms.end()
    with pytest.raises(ModelFailed):
        await stream.answer


async def test_nor_when_the_worker_is_stopped_and_therefore_ended(bench):
    stream = Stream(bench, Manner.HANG_WITHIN_PARTS)
    await stream.parts.next()
    (pid,) = bench.mms.pids
    os.kill(pid, signal.SIGSTOP)
    bench.clock.skip(10)
    with pytest.raises(ModelFailed):
        await stream.answer
    usage = bench.workers.usage_of(stream.model.name)
    assert usage is not None
    assert usage.deaths == 0


async def test_a_death_before_any_piece_that_is_not_the_requests_doing_is_not_seen(bench):
    bench.mms.workers[0].manner = Manner.DIE_BEFORE_READING
    stream = Stream(bench, Manner.ANSWER_IN_PARTS, b"x" * SOCKET_BYTES)
    assert (await stream.rest()).startswith(b"ok ")
    assert (await stream.answer).status == 200


async def test_an_answer_whose_time_is_over_fails_after_its_pieces(bench):
    stream = Stream(bench, Manner.HANG_WITHIN_PARTS)
    await stream.parts.next()
    bench.clock.skip(bench.settings.invoke_timeout_s)
    with pytest.raises(ModelTimedOut):
        await stream.answer


async def test_at_the_end_of_the_endpoint_streams_end_too(bench):
    stream = Stream(bench, Manner.HANG_WITHIN_PARTS)
    await stream.parts.next()
    bench.workers.fail_all()
    with pytest.raises(ShuttingDown):
        await stream.answer


async def test_a_reader_that_leaves_frees_the_worker_and_harms_no_model(bench):
    stream = Stream(bench, Manner.HANG_WITHIN_PARTS)
    await stream.parts.next()
    (pid,) = bench.mms.pids
    await stream.left()
    bench.mms.manners.clear()
    bench.clock.skip(LEFT_S)
    assert (await bench.ask(bench.model("other"))).status == 200
    assert pid not in bench.mms.pids
    usage = bench.workers.usage_of(stream.model.name)
    assert usage is not None
    assert usage.deaths == 0


async def test_a_worker_that_is_soon_done_outlives_a_reader_that_left(bench):
    stream = Stream(bench, Manner.HANG_WITHIN_PARTS)
    await stream.parts.next()
    (pid,) = bench.mms.pids
    await stream.left()
    bench.let_go()
    assert (await bench.ask(stream.model)).status == 200
    bench.clock.skip(LEFT_S)
    assert (await bench.ask(stream.model)).status == 200
    assert bench.mms.pids == [pid]


async def test_the_worker_waits_for_a_reader_that_does_not_read(bench):
    stream = Stream(bench, Manner.POUR)
    await until(lambda: stream.parts.is_held_up)
    (worker,) = bench.mms.workers
    taken_bytes = await settled(lambda: worker.poured) * len(POURED[0])
    assert taken_bytes < HIGH_WATER_BYTES + SOCKET_BYTES
    assert len(await stream.rest()) == sum(map(len, POURED))
    assert (await stream.answer).status == 200


async def test_a_reader_that_holds_up_its_worker_until_the_time_is_over_is_to_blame(bench):
    stream = Stream(bench, Manner.POUR)
    await until(lambda: stream.parts.is_held_up)
    bench.clock.skip(bench.settings.invoke_timeout_s)
    with pytest.raises(ModelTimedOut):
        await stream.answer
    bench.mms.manners.clear()
    # Of the same worker, if it was quicker than its end, or of the next one.
    assert (await bench.ask(stream.model)).status == 200
    usage = bench.workers.usage_of(stream.model.name)
    assert usage is not None
    assert usage.deaths == 0


async def test_a_reader_that_leaves_a_worker_waiting_frees_it(bench):
    stream = Stream(bench, Manner.POUR)
    await until(lambda: stream.parts.is_held_up)
    await stream.left()
    bench.mms.manners.clear()
    assert (await bench.ask(stream.model)).status == 200


async def test_a_worker_with_a_stream_is_sent_nothing_ahead(tmp_path):
    async with running_workers(tmp_path, time_passes=False) as bench:
        model = bench.model()
        await bench.ask(model)
        stream = Stream(bench, Manner.HANG_WITHIN_PARTS, model=model)
        await stream.parts.next()
        waiting = bench.asking(model)
        await asyncio.sleep(0)
        assert [live.next for live in bench.workers._live.all()] == [None]
        bench.let_go()
        assert (await waiting).status == 200


async def test_a_stream_is_not_sent_ahead(tmp_path):
    async with running_workers(tmp_path, time_passes=False) as bench:
        model = bench.model()
        held = await bench.held(model)
        stream = Stream(bench, Manner.HANG, model=model)
        await asyncio.sleep(0)
        assert [live.next for live in bench.workers._live.all()] == [None]
        bench.let_go()
        assert (await held).status == 200
        assert (await stream.answer).status == 200


async def settled(reading) -> int:
    """What is read when it does not change any more."""
    last, same = reading(), 0
    while same < 200:
        await asyncio.sleep(0)
        now = reading()
        last, same = now, same + 1 if now == last else 0
    return last
