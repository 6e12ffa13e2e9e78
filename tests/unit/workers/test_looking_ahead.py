"""A next request in a busy worker: it is answered once, by whom ever, and never forgotten."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from mme.core.errors import ModelFailed
from mme.workers.watch import RECALL_S
from tests.support.fake_engine import until
from tests.support.fake_worker import Manner
from tests.support.workers import running_workers

SLOW, OTHER = b"slow", b"other"


class Ahead:
    """A model's worker that hangs on one request and has been sent another."""

    def __init__(self, bench, model):
        self.bench, self.model = bench, model

    async def begin(self):
        await self.bench.ask(self.model)
        (self.worker,) = (w for w in self.bench.mms.workers if self.model.name in w.models)
        self.bench.mms.by_body[SLOW] = self.bench.mms.by_body[OTHER] = Manner.HANG
        self.first = self.bench.asking(self.model, SLOW)
        await self.worker.reading.wait()
        self.rest = []
        for other in (w for w in self.bench.mms.workers if w is not self.worker):
            self.rest.append(self.bench.asking(self.bench.model("other"), OTHER))
            await other.reading.wait()
        self.next = self.bench.asking(self.model)
        await until(lambda: any(live.next for live in self.bench.workers._live.all()))
        return self

    def free_others(self):
        for worker in self.bench.mms.workers:
            if worker is not self.worker:
                worker.let_go.set()

    async def recalled(self):
        """Return when another worker has answered the next request."""
        self.free_others()
        self.bench.clock.skip(RECALL_S)
        assert (await self.next).status == 200
        assert not self.first.done()


@pytest.fixture
async def alone(tmp_path):
    async with running_workers(tmp_path, time_passes=False) as bench:
        yield await Ahead(bench, bench.model()).begin()


@pytest.fixture
async def pair(tmp_path):
    async with running_workers(tmp_path, time_passes=False, pool_min=2, pool_max=2) as bench:
        yield await Ahead(bench, bench.model()).begin()


async def test_it_is_answered_after_the_first(alone):
    assert not alone.next.done()
    alone.worker.let_go.set()
    assert [(await alone.first).body[-1:], (await alone.next).body[-1:]] == [b"4", b"5"]


async def test_if_the_worker_ends_only_the_first_goes_with_it(alone):
    os.kill(alone.worker.hello.pid, signal.SIGKILL)
    with pytest.raises(ModelFailed):
        await alone.first
    assert (await alone.next).status == 200


async def test_another_answers_it_when_the_first_takes_long(pair):
    await pair.recalled()
    pair.worker.let_go.set()
    assert (await pair.first).status == 200
    assert (await asyncio.gather(*pair.rest))[0].status == 200


async def test_what_both_answer_is_heard_once_and_both_go_on(pair):
    await pair.recalled()
    pair.worker.let_go.set()
    await pair.first
    await until(lambda: len(pair.worker.asked) == 3)  # it computes the recalled one, too
    answers = await asyncio.gather(*(pair.bench.ask(pair.model, b"x" * n) for n in range(20)))
    assert [int(answer.body.rsplit(b" ")[-1]) for answer in answers] == list(range(20))


async def test_requests_that_come_while_it_computes_a_recalled_one_are_answered(pair):
    pair.bench.mms.by_body[b"12345"] = Manner.HANG
    pair.free_others()
    pair.bench.clock.skip(RECALL_S)
    await pair.next
    pair.worker.let_go.set()
    answers = await asyncio.gather(*(pair.bench.ask(pair.model, b"x" * n) for n in range(20)))
    assert len(answers) == 20


async def test_after_a_recall_the_workers_end_takes_the_first_along_alone(pair):
    await pair.recalled()
    os.kill(pair.worker.hello.pid, signal.SIGKILL)
    with pytest.raises(ModelFailed):
        await pair.first
    assert (await pair.bench.ask(pair.model)).status == 200


async def test_while_no_other_is_free_it_waits_for_either(pair):
    pair.bench.clock.skip(RECALL_S)
    await until(lambda: any(live.recalled for live in pair.bench.workers._live.all()))
    assert not pair.next.done()
    pair.worker.let_go.set()
    assert (await pair.next).status == 200
    assert pair.bench.workers._dispatch.waiting(pair.model.name) == 0


async def test_a_caller_that_leaves_it_harms_nobody(alone):
    alone.next.cancel()
    await asyncio.gather(alone.next, return_exceptions=True)
    alone.bench.clock.skip(RECALL_S)
    alone.worker.let_go.set()
    assert (await alone.first).status == 200
    assert (await alone.bench.ask(alone.model)).status == 200


async def test_a_model_that_is_dropped_meanwhile_leaves_when_both_are_answered(alone):
    await alone.bench.workers.drop(alone.model)
    alone.worker.let_go.set()
    await asyncio.gather(alone.first, alone.next)
    await until(lambda: not alone.worker.models)
    assert (await alone.bench.ask(alone.model)).load_s > 0
