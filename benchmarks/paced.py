"""Requests sent at given times, whatever became of those before: callers who know of nobody else.

In a process of its own, as `traffic.py`, which has what waits for its answers instead.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from benchmarks.traffic import answer, connect, where_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.traffic import Exchange


class WrongAnswer(RuntimeError):
    """A request was not answered as it has to be."""


def drive_at(url: str, exchanges: Sequence[Exchange], at_s: Sequence[float]) -> list[float]:
    """Send each exchange at its time, on a connection of its own; how long each took, in seconds.

    Raises WrongAnswer.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_drive_at, url, exchanges, at_s).result()


def _drive_at(url: str, exchanges: Sequence[Exchange], at_s: Sequence[float]) -> list[float]:
    return asyncio.run(_all(url, exchanges, at_s))


async def _all(url: str, exchanges: Sequence[Exchange], at_s: Sequence[float]) -> list[float]:
    where = where_of(url)
    latencies_s = [0.0] * len(exchanges)
    began_s = time.perf_counter()

    async def ask(index: int) -> None:
        reader, writer = await connect(where)
        sent_s = time.perf_counter()
        writer.write(exchanges[index].message)
        try:
            status, body, _ = await answer(reader)
        finally:
            writer.close()
        latencies_s[index] = time.perf_counter() - sent_s
        if fault := exchanges[index].fault(status, body):
            raise WrongAnswer(fault)

    async with asyncio.TaskGroup() as tasks:
        for index, due_s in enumerate(at_s):
            await asyncio.sleep(max(0.0, began_s + due_s - time.perf_counter()))
            tasks.create_task(ask(index))
    return latencies_s
