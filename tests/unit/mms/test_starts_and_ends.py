"""Starts and ends of workers exclude each other: one kind side by side, and no kind starves."""

from __future__ import annotations

import asyncio
import random

from mme.mms.starts_and_ends import StartsAndEnds


async def test_one_kind_runs_side_by_side_and_the_other_waits():
    lock = StartsAndEnds()
    entered = asyncio.Event()

    async def other() -> None:
        async with lock.ending():
            entered.set()

    async with lock.starting(), lock.starting():
        waiting = asyncio.create_task(other())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not entered.is_set()
    await waiting
    assert entered.is_set()


async def test_whoever_waits_is_not_overtaken():
    lock = StartsAndEnds()
    order: list[str] = []

    async def work(kind: int, name: str) -> None:
        async with lock._held(kind):
            order.append(name)
            await asyncio.sleep(0)

    async with lock.starting():
        tasks = [asyncio.create_task(work(1, "waits"))]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(work(0, "comes later"))]
        for _ in range(5):
            await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*tasks)
    assert order == ["waits", "comes later"]


async def test_both_kinds_never_overlap_and_all_get_their_turn():
    lock = StartsAndEnds()
    inside = [0, 0]
    chosen = random.Random(3)  # noqa: S311 - an order of events, not a secret

    async def work(kind: int) -> int:
        async with lock._held(kind):
            inside[kind] += 1
            assert not inside[1 - kind]
            for _ in range(chosen.randrange(4)):
                await asyncio.sleep(0)
            inside[kind] -= 1
        return kind

    done = await asyncio.gather(*(work(chosen.randrange(2)) for _ in range(400)))
    assert len(done) == 400


async def test_one_who_gives_up_waiting_blocks_nobody():
    lock = StartsAndEnds()

    async def work(kind: int) -> None:
        async with lock._held(kind):
            pass

    async with lock.starting():
        leaving = asyncio.create_task(work(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.wait_for(work(0), 5)
    await asyncio.wait_for(work(1), 5)
