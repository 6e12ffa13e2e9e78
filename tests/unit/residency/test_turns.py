"""Two kinds of work take turns: never both at once, many of one kind, nobody waits for ever."""

from __future__ import annotations

import asyncio
import random

from mme.residency.turns import Turns


async def test_one_kind_runs_side_by_side_and_the_other_waits():
    turns = Turns()
    entered = asyncio.Event()

    async def other() -> None:
        async with turns.of(1):
            entered.set()

    async with turns.of(0), turns.of(0):
        waiting = asyncio.create_task(other())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not entered.is_set()
    await waiting
    assert entered.is_set()


async def test_whoever_waits_is_not_overtaken():
    turns = Turns()
    order: list[str] = []

    async def work(kind: int, name: str) -> None:
        async with turns.of(kind):
            order.append(name)
            await asyncio.sleep(0)

    async with turns.of(0):
        tasks = [asyncio.create_task(work(1, "waits"))]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(work(0, "comes later"))]
        for _ in range(5):
            await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*tasks)
    assert order == ["waits", "comes later"]


async def test_both_kinds_never_overlap_and_all_get_their_turn():
    turns = Turns()
    inside = [0, 0]
    chosen = random.Random(3)  # noqa: S311 - an order of events, not a secret

    async def work(kind: int) -> int:
        async with turns.of(kind):
            inside[kind] += 1
            assert not inside[1 - kind]
            for _ in range(chosen.randrange(4)):
                await asyncio.sleep(0)
            inside[kind] -= 1
        return kind

    done = await asyncio.gather(*(work(chosen.randrange(2)) for _ in range(400)))
    assert len(done) == 400


async def test_one_who_gives_up_waiting_blocks_nobody():
    turns = Turns()

    async def work(kind: int) -> None:
        async with turns.of(kind):
            pass

    async with turns.of(0):
        leaving = asyncio.create_task(work(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.wait_for(work(0), 5)
    await asyncio.wait_for(work(1), 5)
