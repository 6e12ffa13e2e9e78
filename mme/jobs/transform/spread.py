"""A transform whose inputs are done elsewhere, one by one: which are left to do, what came of each.

Who does an input, and does it again if that one is lost, is up to `elsewhere`. It is handed a
bounded number of inputs ahead, and what it has done is noted here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from mme.jobs.transform.running import Summary, is_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.jobs.transform.inputs import Input
    from mme.jobs.transform.ledger import Done, Ledger
    from mme.jobs.transform.places import Places


@dataclass(frozen=True, slots=True)
class Came:
    """What came of inputs that were done elsewhere."""

    summary: Summary
    done: list[Done]


@dataclass(slots=True)
class NotedInMemory:
    """A ledger for as long as one input takes: what it notes is kept by whoever gave the input."""

    done: list[Done] = field(default_factory=list)

    async def find(self, key: str) -> Done | None:
        """See Ledger: nothing is handed over that is done."""
        del key
        return None

    async def note(self, done: Done) -> None:
        """See Ledger."""
        self.done.append(done)


class Elsewhere(Protocol):
    """Does inputs in another place."""

    def most(self) -> int:
        """How many it takes at the moment, those being done and those that wait."""

    async def __call__(self, source: Input) -> Came:
        """Do one. Raises EndpointError, which ends the transform."""


class SpreadRun:
    """Runs one transform elsewhere."""

    def __init__(
        self,
        elsewhere: Elsewhere,
        outputs: Places,
        ledger: Ledger,
        *,
        on_finished: Callable[[Input], object],
    ) -> None:
        """`on_finished` hears of each input, whatever came of it."""
        self._elsewhere = elsewhere
        self._outputs = outputs
        self._ledger = ledger
        self._on_finished = on_finished
        self._running = 0
        self._one_ended = asyncio.Event()
        self.summary = Summary()

    async def all(self, inputs: Iterator[Input]) -> Summary:
        """Do all of them. Raises EndpointError, TransformRefused where no input can be had."""
        try:
            async with asyncio.TaskGroup() as group:
                while (source := await asyncio.to_thread(partial(next, inputs, None))) is not None:
                    if await is_done(source, self._ledger, self._outputs, asyncio.to_thread):
                        self.summary.already_done += 1
                        self._on_finished(source)
                        continue
                    while self._running >= self._elsewhere.most():
                        self._one_ended.clear()
                        await self._one_ended.wait()
                    self._running += 1
                    group.create_task(self._one(source)).add_done_callback(self._ended)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return self.summary

    def _ended(self, _: object) -> None:
        self._running -= 1
        self._one_ended.set()

    async def _one(self, source: Input) -> None:
        came = await self._elsewhere(source)
        for done in came.done:
            await self._ledger.note(done)
        self.summary.add(came.summary)
        self._on_finished(source)
