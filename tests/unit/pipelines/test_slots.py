"""Slots: so many at once, others in their turn, and nothing is left behind."""

from __future__ import annotations

import asyncio

import pytest

from mme.pipelines.slots import Slots


async def test_only_so_many_have_a_slot_of_a_kind_at_once():
    slots, running, most = Slots(2), 0, 0

    async def work(kind):
        nonlocal running, most
        async with slots.one(kind, 5):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(work("a") for _ in range(9)))
    assert most == 2
    await asyncio.gather(*(work(kind) for kind in "aabb"))
    assert most == 4
    assert len(slots) == 0


async def test_who_waits_too_long_or_leaves_takes_no_slot():
    slots = Slots(1)
    async with slots.one("a", 5):
        with pytest.raises(TimeoutError):
            await _entered(slots, 0.001)
        leaving = asyncio.create_task(_entered(slots, None))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    await _entered(slots, 0.001)
    assert len(slots) == 0


async def _entered(slots, timeout_s):
    async with slots.one("a", timeout_s):
        pass
