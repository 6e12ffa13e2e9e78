"""Workers that rest: none is there, requests wait for the end of it, and no more than may wait."""

from __future__ import annotations

import asyncio

import pytest

from mme.core.errors import Busy, NotBack
from tests.support.fake_engine import until
from tests.support.workers import running_workers


class Rest:
    """A rest that is over when the test says so, or cannot be."""

    def __init__(self, workers):
        self.is_well = True
        self.may_end = asyncio.Event()
        self.error: NotBack | None = None
        self.wanted = 0
        self._workers = workers

    async def over(self):
        self.wanted += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        self._workers.resume()


@pytest.fixture(params=["shared", "model"])
async def bench(request, tmp_path):
    async with running_workers(tmp_path, isolation=request.param, queue_length=3) as running:
        yield running


@pytest.fixture
async def rest(bench):
    await bench.ask(bench.model())
    await until(lambda: not bench.workers.is_busy)
    rest = Rest(bench.workers)
    bench.workers.rest(rest)
    return rest


async def test_no_worker_is_left_and_none_comes_before_it_is_over(bench, rest):
    ordered = len(bench.mms.orders)
    assert len(bench.workers._live) == 0
    assert bench.workers.workers_of(bench.model().name) == 0
    asking = bench.asking(bench.model())
    await until(lambda: rest.wanted)
    assert len(bench.mms.orders) == ordered
    rest.may_end.set()
    assert (await asking).load_s > 0
    assert len(bench.mms.orders) > ordered


async def test_no_more_requests_wait_for_it_than_may_wait_for_a_model(bench, rest):
    asking = [bench.asking(bench.model()) for _ in range(3)]
    await until(lambda: rest.wanted == 3)
    with pytest.raises(Busy):
        await bench.ask(bench.model())
    rest.may_end.set()
    assert [answer.status for answer in await asyncio.gather(*asking)] == [200] * 3


async def test_where_it_cannot_end_those_that_wait_are_told_and_nothing_is_left(bench, rest):
    rest.error = NotBack("no memory")
    rest.may_end.set()
    for _ in range(5):  # more than may wait at a time
        with pytest.raises(NotBack, match="no memory"):
            await bench.ask(bench.model())
    assert not bench.workers.is_busy
    rest.error = None
    assert (await bench.ask(bench.model())).status == 200


async def test_a_request_that_is_given_up_while_it_waits_counts_no_more(bench, rest):
    asking = bench.asking(bench.model())
    await until(lambda: rest.wanted)
    asking.cancel()
    await asyncio.wait({asking})
    usage = bench.workers.usage_of(bench.model().name)
    assert usage is not None
    assert usage.in_flight == 0


async def test_workers_that_rest_are_ready_as_long_as_they_come_back(bench, rest):
    assert await bench.workers.is_ready(1.0)
    rest.is_well = False
    assert not await bench.workers.is_ready(1.0)


async def test_what_is_under_way_is_busy(bench):
    held = await bench.held(bench.model())
    assert bench.workers.is_busy
    bench.let_go()
    await held
    await until(lambda: not bench.workers.is_busy)
