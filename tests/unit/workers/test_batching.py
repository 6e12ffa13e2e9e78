"""Several requests at once in a worker: each is answered, whatever comes of the others."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from mme.core.errors import ModelFailed, ModelTimedOut
from mme.core.terms import Terms
from mme.core.timing import Timing
from mme.workers.usage import ALONE_ANSWERS
from mme.workers.watch import BATCH_LEAST_S, BATCH_SHARE
from tests.support.fake_engine import until
from tests.support.fake_worker import Manner
from tests.support.workers import running_workers

DETAILS = {"batch": {"max_requests": 4, "max_bytes": 1000}}
HELD, POISON = b"held", b"poison"


class Held:
    """A worker that has a model and hangs on one request to it, so that others wait."""

    def __init__(self, bench, **findings):
        self.bench = bench
        self.model = bench.model(**({"details": DETAILS} | findings))

    async def begin(self):
        await self.bench.ask(self.model)
        self.bench.mms.by_body[HELD] = Manner.HANG
        self.first = self.bench.asking(self.model, HELD)
        await until(lambda: any(each.reading.is_set() for each in self.bench.mms.workers))
        (self.worker,) = self.bench.mms.workers
        return self

    async def waiting(self, *bodies):
        """Requests that wait until the first is answered."""
        tasks = [self.bench.asking(self.model, body) for body in bodies]
        await asyncio.sleep(0)
        assert self.bench.workers._dispatch.waiting(self.model.name) == len(bodies)
        return tasks

    def let_go(self):
        self.worker.let_go.set()

    async def computes_together(self, count):
        """The first is answered; so many of those that waited are computed, and hang."""
        self.let_go()
        await self.first
        self.worker.let_go.clear()
        await until(lambda: self.worker.together == [count])

    def computed_alone(self):
        """What a worker computes that it was sent by itself."""
        for _, request, _ in self.bench.workers._dispatch.requests_in_workers():
            return request.question.body if request.together == 1 else None
        return None

    @property
    def live(self):
        (live,) = self.bench.workers._live.all()
        return live


def lengths(answers):
    return [int(answer.body.rsplit(b" ")[-1]) for answer in answers]


@pytest.fixture
async def held(tmp_path):
    async with running_workers(tmp_path, time_passes=False) as bench:
        yield await Held(bench).begin()


async def test_what_waits_is_computed_at_once_and_each_gets_its_own_answer(held):
    tasks = await held.waiting(*(b"x" * n for n in range(6)))
    held.let_go()
    assert lengths(await asyncio.gather(*tasks)) == list(range(6))
    assert held.worker.together == [4, 2]
    assert held.bench.workers.counts().batches.requests == 8


async def test_where_the_setting_is_one_each_is_computed_alone(tmp_path):
    async with running_workers(tmp_path, time_passes=False, batch_requests=1) as bench:
        held = await Held(bench).begin()
        tasks = [bench.asking(held.model, b"x" * n) for n in range(6)]
        held.let_go()
        assert lengths(await asyncio.gather(*tasks)) == list(range(6))
        assert held.worker.together == []


async def test_a_model_that_does_not_offer_it_is_given_one_at_a_time(tmp_path):
    async with running_workers(tmp_path, time_passes=False) as bench:
        held = await Held(bench, details={}).begin()
        tasks = [bench.asking(held.model, b"x" * n) for n in range(6)]
        held.let_go()
        assert lengths(await asyncio.gather(*tasks)) == list(range(6))
        assert held.worker.together == []


async def test_through_the_model_server_each_is_computed_alone(tmp_path):
    async with running_workers(tmp_path, time_passes=False, invoke="mms") as bench:
        model = bench.model(details=DETAILS)
        answers = await asyncio.gather(*(bench.ask(model, b"x" * n) for n in range(6)))
        assert lengths(answers) == list(range(6))
        assert bench.mms.workers[0].together == []


async def test_large_requests_go_alone(held):
    tasks = await held.waiting(b"x" * 900, b"x" * 200, b"x" * 300)
    held.let_go()
    assert lengths(await asyncio.gather(*tasks)) == [900, 200, 300]
    assert held.worker.together == [2]


async def test_a_model_with_a_worker_of_its_own_gains_as_well(tmp_path):
    async with running_workers(tmp_path, time_passes=False, workers_per_model=1) as bench:
        model = bench.model(details=DETAILS, is_data=False)
        await bench.ask(model)
        (worker,) = (each for each in bench.mms.workers if model.name in each.models or each.asked)
        bench.mms.by_body[HELD] = Manner.HANG
        first = bench.asking(model, HELD)
        await worker.reading.wait()
        tasks = [bench.asking(model, b"x" * n) for n in range(4)]
        await asyncio.sleep(0)
        worker.let_go.set()
        assert lengths(await asyncio.gather(first, *tasks)) == [4, 0, 1, 2, 3]
        assert worker.together == [4]


async def test_each_is_told_its_own_time_and_with_how_many_it_was_computed(held):
    timings = [Timing() for _ in range(3)]
    asking = [
        asyncio.create_task(held.bench.workers.ask(held.model, {}, b"x", timing=timing))
        for timing in timings
    ]
    await asyncio.sleep(0)
    held.bench.clock.skip(0.01)
    held.let_go()
    await asyncio.gather(*asking)
    assert [timing.together for timing in timings] == [3, 3, 3]
    assert all(timing.queue_s == pytest.approx(0.01) for timing in timings)


async def test_whoever_leaves_does_not_end_the_others_work(held):
    held.bench.mms.by_body[b"1"] = Manner.HANG
    tasks = await held.waiting(b"1", b"22", b"333")
    held.worker.reading.clear()
    held.let_go()
    await held.first
    tasks[1].cancel()
    assert lengths(await asyncio.gather(tasks[0], tasks[2])) == [1, 3]
    assert tasks[1].cancelled()
    assert (await held.bench.ask(held.model)).status == 200


async def test_whoever_left_while_it_waited_is_not_computed(held):
    tasks = await held.waiting(b"1", b"22", b"333")
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    held.let_go()
    await asyncio.gather(tasks[0], tasks[2])
    assert held.worker.together == [2]


async def test_only_the_one_that_ends_workers_is_refused(held):
    held.bench.mms.by_body[POISON] = Manner.DIE_AFTER_READING
    tasks = await held.waiting(b"1", POISON, b"22", b"333", b"4444")
    held.let_go()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found.pop(1), ModelFailed)
    assert lengths(found) == [1, 2, 3, 4]


async def test_after_a_death_in_a_batch_a_model_is_given_one_at_a_time_for_a_while(held):
    usage = held.bench.workers.usage_of(held.model.name)
    held.bench.mms.by_body[POISON] = Manner.DIE_AFTER_READING
    tasks = await held.waiting(POISON, b"1")
    held.let_go()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert usage.batch_now is None
    assert usage.deaths == pytest.approx(1, abs=0.1)
    for _ in range(ALONE_ANSWERS):
        await held.bench.ask(held.model)
    assert usage.batch_now is not None


async def test_a_batch_that_the_worker_never_read_goes_to_another_as_one(held):
    tasks = await held.waiting(b"1", b"22", b"333")
    held.worker.manner = Manner.DEAF
    held.let_go()
    await held.first
    os.kill(held.worker.hello.pid, signal.SIGKILL)
    assert lengths(await asyncio.gather(*tasks)) == [1, 2, 3]


@pytest.mark.parametrize("place", range(4))
async def test_one_that_hangs_does_not_hold_up_the_others_for_all_their_time(held, place):
    held.bench.mms.by_body[POISON] = Manner.HANG
    bodies = [b"1", b"22", b"333"]
    bodies.insert(place, POISON)
    tasks = await held.waiting(*bodies)
    hanging = tasks.pop(place)
    await held.computes_together(4)
    share_s = BATCH_SHARE * held.bench.settings.invoke_timeout_s + 0.1
    held.bench.clock.skip(share_s)
    await until(lambda: held.computed_alone() == POISON)
    held.bench.clock.skip(share_s)
    assert lengths(await asyncio.gather(*tasks)) == [1, 2, 3]
    await until(lambda: held.computed_alone() == POISON)
    assert not hanging.done()
    held.bench.clock.skip(held.bench.settings.invoke_timeout_s)
    with pytest.raises(ModelTimedOut):
        await hanging


async def test_one_that_is_put_last_is_not_computed_again_for_a_caller_who_left(held):
    held.bench.mms.by_body[POISON] = Manner.HANG
    hanging, *tasks = await held.waiting(POISON, b"1", b"22")
    await held.computes_together(3)
    share_s = BATCH_SHARE * held.bench.settings.invoke_timeout_s + 0.1
    held.bench.clock.skip(share_s)
    await until(lambda: held.computed_alone() == POISON)
    hanging.cancel()
    held.bench.clock.skip(share_s)
    assert lengths(await asyncio.gather(*tasks)) == [1, 2]
    assert held.bench.workers.counts().waiting == 0
    assert held.computed_alone() is None


async def test_whose_time_is_over_is_told_so_and_the_others_are_answered(held):
    short = asyncio.create_task(held.bench.ask(held.model, b"1", Terms(timeout_s=0.5)))
    tasks = [held.bench.asking(held.model, body) for body in (b"22", POISON)]
    await asyncio.sleep(0)
    held.bench.mms.by_body[POISON] = Manner.HANG
    await held.computes_together(3)
    held.bench.clock.skip(0.6)
    with pytest.raises(ModelTimedOut):
        await short
    held.bench.clock.skip(BATCH_LEAST_S)
    assert lengths(await asyncio.gather(tasks[0])) == [2]
    tasks[1].cancel()


async def test_where_no_worker_can_be_had_the_batch_is_answered_as_each_would_be(held):
    tasks = await held.waiting(b"1", b"22")
    held.bench.workers.fail_all()
    found = await asyncio.gather(*tasks, held.first, return_exceptions=True)
    assert all(isinstance(each, Exception) for each in found)


async def test_a_model_that_is_dropped_meanwhile_leaves_when_all_are_answered(held):
    held.bench.mms.by_body[POISON] = Manner.HANG
    tasks = await held.waiting(b"1", POISON, b"333")
    await held.computes_together(3)
    await held.bench.workers.drop(held.model)
    held.let_go()
    assert lengths(await asyncio.gather(*tasks)) == [1, 6, 3]
    await until(lambda: not held.worker.models)
    assert (await held.bench.ask(held.model)).load_s > 0


async def test_waiting_and_computed_requests_are_counted_each(held):
    held.bench.mms.by_body[POISON] = Manner.HANG
    tasks = await held.waiting(b"1", POISON, b"22", b"333", b"4444")
    assert held.bench.workers.counts().waiting == 5
    await held.computes_together(4)
    counts = held.bench.workers.counts()
    assert (counts.in_flight, counts.waiting, counts.busy) == (5, 1, 1)
    held.let_go()
    await asyncio.gather(*tasks)
