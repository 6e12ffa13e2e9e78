"""When an engine rests, and what brings it back; its parts note what they are told."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mme.app.idle import Idle, Idleness
from tests.support.fake_engine import until
from tests.support.workers import Skipping


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
    """Stands for workers, keepers and admissions alike."""

    def __init__(self):
        self.told: list[str] = []
        self.asked = 0
        self.is_busy = False
        self.on_wanted = None
        self.start_timeout_s = 0.01
        self.comes_up = True

    @property
    def workers(self):
        return self

    @property
    def admissions(self):
        return self

    @property
    def keepers(self):
        return (self,)

    async def pause(self):
        self.told.append("pause")

    def resume(self):
        self.told.append("resume")

    async def until_ready(self):
        if not self.comes_up:
            await asyncio.Event().wait()

    async def admit(self, job):
        return f"admitted {job}"


@pytest.fixture
def parts():
    return Parts()


@contextlib.asynccontextmanager
async def resting(parts, clock):
    looks: list[None] = []

    def after_s():
        looks.append(None)
        return 60.0

    idle = Idle(parts, after_s, clock=clock, look_s=0.001)
    async with idle.watching():
        await until(lambda: bool(looks))
        clock.skip(61)
        await until(lambda: parts.told == ["pause"])
        assert parts.on_wanted is not None
        yield idle


async def test_a_request_brings_an_engine_back(parts):
    async with resting(parts, Skipping(runs=False)):
        parts.on_wanted()
        await until(lambda: parts.on_wanted is None)
        assert parts.told == ["pause", "resume"]


async def test_an_artifact_to_be_admitted_brings_it_back_too(parts):
    async with resting(parts, Skipping(runs=False)) as idle:
        assert await idle.admit("job") == "admitted job"
        await until(lambda: parts.told == ["pause", "resume"])


async def test_it_rests_again_after_as_long(parts):
    clock = Skipping(runs=False)
    async with resting(parts, clock):
        parts.on_wanted()
        await until(lambda: parts.on_wanted is None)
        clock.skip(61)
        await until(lambda: parts.told == ["pause", "resume", "pause"])


async def test_one_that_does_not_come_back_is_not_called_resting(parts):
    parts.comes_up = False
    async with resting(parts, Skipping(runs=False)):
        parts.on_wanted()
        await until(lambda: parts.on_wanted is None)


async def test_it_may_be_stopped_while_it_rests(parts):
    async with resting(parts, Skipping(runs=False)):
        pass
    assert parts.on_wanted is None
