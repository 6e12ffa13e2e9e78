"""Slots for admissions: few at a time, and a slow one keeps no other out."""

from __future__ import annotations

import asyncio

from mme.residency.slots import SLOW_TIMES, Slots
from tests.support.fake_engine import until


class Running:
    """Work that holds a slot until it is let go."""

    def __init__(self, slots: Slots, count: int) -> None:
        self.begun = 0
        self.most = 0
        self.let_go = asyncio.Event()
        self.tasks = [asyncio.create_task(self.work(slots)) for _ in range(count)]

    async def work(self, slots: Slots) -> None:
        async with slots.taken():
            self.begun += 1
            await self.let_go.wait()

    async def end(self) -> None:
        self.let_go.set()
        await asyncio.gather(*self.tasks)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_than_there_are_slots_begin_at_once():
    running = Running(Slots(2, patience_s=1000), 5)
    await settle()
    assert running.begun == 2
    await running.end()
    assert running.begun == 5


async def test_slow_ones_give_their_slots_up_and_go_on():
    running = Running(Slots(2, patience_s=0.0), 5)
    await until(lambda: running.begun == 5)
    assert not any(task.done() for task in running.tasks)
    await running.end()


async def test_of_slow_ones_there_is_a_bound_too():
    running = Running(Slots(2, patience_s=0.0), 2 * SLOW_TIMES + 3)
    await until(lambda: running.begun == 2 * SLOW_TIMES)
    await settle()
    assert running.begun == 2 * SLOW_TIMES
    await running.end()
    assert running.begun == 2 * SLOW_TIMES + 3


async def test_a_slot_that_was_given_up_is_not_given_back_twice():
    slots = Slots(1, patience_s=0.0)
    await Running(slots, 3).end()
    running = Running(Slots(1, patience_s=1000), 2)
    await settle()
    assert running.begun == 1
    await running.end()
