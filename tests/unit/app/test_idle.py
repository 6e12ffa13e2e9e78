"""When an engine rests, and what brings it back; its parts note what they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from mme.app.idle import Idle, Idleness
from mme.core.errors import NotBack, ShuttingDown
from mme.residency.observed import Observed
from mme.supervise import StartError
from tests.support.fake_engine import until
from tests.support.workers import Skipping

if TYPE_CHECKING:
    from mme.app.children import Engine


def test_only_what_asks_nothing_for_so_long_is_idle():
    idleness = Idleness(0.0)
    assert not idleness.is_long(9.9, 0, 10.0, is_busy=False)
    assert idleness.is_long(10.0, 0, 10.0, is_busy=False)
    assert not idleness.is_long(11.0, 1, 10.0, is_busy=False)
    assert not idleness.is_long(20.9, 1, 10.0, is_busy=False)
    assert idleness.is_long(21.0, 1, 10.0, is_busy=False)


def test_a_request_that_takes_long_is_a_use_until_it_ends():
    idleness = Idleness(0.0)
    assert not idleness.is_long(100.0, 0, 10.0, is_busy=True)
    assert not idleness.is_long(109.0, 0, 10.0, is_busy=False)
    assert idleness.is_long(110.0, 0, 10.0, is_busy=False)


def test_nothing_rests_where_it_is_not_wanted():
    assert not Idleness(0.0).is_long(1e9, 0, None, is_busy=False)


class Parts:
    """An engine that notes what its parts are told."""

    def __init__(self):
        self.told: list[str] = []
        self.observed = Observed()
        self.keepers = (FakeKeeper(self),)
        self.workers = FakeWorkers(self)
        self.templates = self.admissions = self

    async def close(self):
        """Of the templates."""

    async def admit(self, job):
        self.told.append(f"admit {job}")
        return "found"


class FakeKeeper:
    def __init__(self, parts):
        self.child: object | None = object()
        self.failures: list[Exception] = []
        self.may_go, self.may_come = asyncio.Event(), asyncio.Event()
        self.may_go.set()
        self.may_come.set()
        self._told = parts.told

    async def pause(self):
        self._told.append("pause")
        await self.may_go.wait()
        self.child = None

    async def resume(self):
        self._told.append("resume")
        await self.may_come.wait()
        if self.failures:
            raise self.failures.pop()
        self.child = object()


class FakeWorkers:
    def __init__(self, parts):
        self.asked = 0
        self.is_busy = False
        self._told = parts.told

    def rest(self, rest):
        self._told.append("rest")

    def resume(self):
        self._told.append("back")


DOWN, UP = ["rest", "pause"], ["resume", "back"]


class Bench:
    """An engine that may rest, and the time."""

    def __init__(self, **options):
        self.parts, self.clock = Parts(), Skipping(runs=False)
        self.looks = 0
        self.idle = Idle(
            cast("Engine", self.parts), self.after_s,
            clock=self.clock, look_s=0.0, **{"wait_s": 5.0} | options,
        )  # fmt: skip
        (self.keeper,) = self.parts.keepers

    def after_s(self):
        self.looks += 1
        return 60.0

    async def looked(self):
        """Return when it has been looked at what there is, twice."""
        before = self.looks
        await until(lambda: self.looks >= before + 2)

    async def fall_idle(self):
        await self.looked()
        self.clock.skip(61)
        await until(lambda: self.parts.told[-2:] == DOWN)


@pytest.fixture
async def bench():
    bench = Bench()
    async with bench.idle.watching():
        yield bench


async def test_an_engine_rests_when_it_was_idle_for_so_long(bench):
    await bench.fall_idle()
    assert bench.keeper.child is None
    assert bench.idle.is_well


async def test_one_comes_back_for_all_that_wait_for_it(bench):
    await bench.fall_idle()
    await asyncio.gather(*(bench.idle.over() for _ in range(10)))
    assert bench.parts.told == DOWN + UP
    await bench.idle.over()  # also for one that comes late
    assert bench.parts.told == DOWN + UP


async def test_an_artifact_to_be_admitted_brings_it_back_too(bench):
    await bench.fall_idle()
    assert await bench.idle.admit("job") == "found"
    assert bench.parts.told == [*DOWN, *UP, "admit job"]


async def test_it_rests_again_after_as_long_and_again(bench):
    for _ in range(3):
        await bench.fall_idle()
        await bench.idle.over()
        await bench.looked()
        bench.clock.skip(59)
        await bench.looked()
    assert bench.parts.told == (DOWN + UP) * 3


async def test_it_does_not_rest_while_something_is_under_way_or_a_child_is_not_there(bench):
    bench.parts.workers.is_busy = True
    await bench.looked()
    bench.clock.skip(61)
    await bench.looked()
    bench.parts.workers.is_busy, bench.keeper.child = False, None
    bench.clock.skip(61)
    await bench.looked()
    bench.keeper.child = object()
    bench.parts.workers.asked += 1
    bench.clock.skip(61)
    await bench.looked()
    assert bench.parts.told == []


async def test_a_request_that_comes_while_it_goes_down_has_it_back_when_it_is_down(bench):
    bench.keeper.may_go.clear()
    await bench.fall_idle()
    waiting = asyncio.create_task(bench.idle.over())
    await a_few_turns()
    assert bench.parts.told == DOWN
    bench.keeper.may_go.set()
    await waiting
    assert bench.parts.told == DOWN + UP


async def test_one_that_does_not_come_back_says_why_and_is_tried_again_with_the_next(bench):
    await bench.fall_idle()
    bench.keeper.failures = [StartError("no memory")]
    told = await asyncio.gather(*(bench.idle.over() for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [NotBack] * 3
    assert "no memory; the next request tries again" in str(told[0])
    assert not bench.idle.is_well
    assert bench.keeper.child is None
    await bench.idle.over()
    assert bench.idle.is_well
    assert bench.parts.told == [*DOWN, "resume", "pause", *UP]


async def test_a_request_does_not_wait_for_ever_and_what_it_began_goes_on():
    bench = Bench(wait_s=0.01)
    async with bench.idle.watching():
        await bench.fall_idle()
        bench.keeper.may_come.clear()
        with pytest.raises(NotBack, match=r"still being started after 0\.01 s"):
            await bench.idle.over()
        bench.keeper.may_come.set()
        await until(lambda: bench.parts.told == DOWN + UP)


@pytest.mark.parametrize("phase", ["going down", "down", "coming back"])
async def test_it_may_be_stopped_at_any_time(phase):
    bench = Bench()
    waiting = None
    async with bench.idle.watching():
        if phase == "going down":
            bench.keeper.may_go.clear()
        await bench.fall_idle()
        if phase == "coming back":
            bench.keeper.may_come.clear()
            waiting = asyncio.create_task(bench.idle.over())
            await until(lambda: bench.parts.told[-1] == "resume")
    assert bench.parts.told[:2] == DOWN
    if waiting is not None:
        with pytest.raises(ShuttingDown):
            await waiting


async def a_few_turns():
    """What can go on without anything else goes on."""
    for _ in range(10):
        await asyncio.sleep(0)
