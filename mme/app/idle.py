"""Idle to zero: without requests for long, workers, template and model server go down.

What stays is the gateway, with all that is admitted on its disk. The first request, or artifact to
be admitted, brings the rest back and waits for it. A child that does not come back fails those that
wait, not the endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from mme.core.errors import NotBack, ShuttingDown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mme.app.children import Engine
    from mme.cache import AdmissionJob
    from mme.core.artifact import Findings

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often it is looked whether anything was asked."""


class Idleness:
    """Since when nothing has been asked. Pure."""

    def __init__(self, now_s: float) -> None:
        self._used_at_s = now_s
        self._uses = 0

    def is_long(self, now_s: float, uses: int, after_s: float | None, *, is_busy: bool) -> bool:
        """Whether nothing was asked for `after_s` (None: however long); `uses` only grows."""
        if is_busy or uses != self._uses:
            self._uses, self._used_at_s = uses, now_s
        return after_s is not None and now_s - self._used_at_s >= after_s


class Idle:
    """Lets an engine rest when it has been idle (`mme.workers.rest.Rest`). The event loop owns it.

    One comes back for all that wait for it. Where it cannot, they are told so, and the next request
    tries again.
    """

    def __init__(
        self,
        engine: Engine,
        after_s: Callable[[], float | None],
        *,
        wait_s: float,
        clock: Callable[[], float] = time.monotonic,
        look_s: float = LOOK_S,
    ) -> None:
        """`after_s` says how long it must be idle for that; None: it shall not rest.

        A request waits `wait_s` for the engine to be back.
        """
        self.is_well = True
        """Whether the engine came back when it was last wanted."""
        self._engine = engine
        self._after_s = after_s
        self._wait_s = wait_s
        self._clock = clock
        self._look_s = look_s
        self._is_resting = False
        self._changes = asyncio.Lock()
        """Held while the engine goes down or comes back."""
        self._is_back = asyncio.Event()
        self._coming: asyncio.Task[NotBack | None] | None = None
        self._admissions = self._admitting = 0

    async def admit(self, job: AdmissionJob) -> Findings:
        """As the engine's admissions do, which are a use like any other. Also raises NotBack."""
        self._admissions += 1
        self._admitting += 1
        try:
            if self._is_resting:
                await self.over()
            return await self._engine.admissions.admit(job)
        finally:
            self._admitting -= 1

    async def over(self) -> None:
        """See Rest."""
        coming = self._coming
        if coming is None or coming.done():
            coming = self._coming = asyncio.create_task(self._come_back(), name="come back")
        done, _ = await asyncio.wait({coming}, timeout=self._wait_s)
        if not done:
            raise NotBack(f"they are still being started after {self._wait_s:g} s")
        if coming.cancelled():
            raise ShuttingDown
        error = coming.result()
        if error is not None:
            raise error.anew()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Inside the block the engine, which is running, rests when it is idle."""
        watch = asyncio.create_task(self._watch(), name="idle to zero")
        try:
            yield
        finally:
            tasks = [watch] if self._coming is None else [watch, self._coming]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            idle_s = await self._until_idle()
            # From here on without a pause: nothing is under way.
            self._is_resting = True
            self._is_back.clear()
            self._engine.workers.rest(self)
            message = f"idle for {idle_s:g} s: the workers go down until the next request"
            self._engine.observed.events.note("rested", "", message)
            await self._go_down()
            await self._is_back.wait()

    async def _until_idle(self) -> float:
        """Returns how long it has been idle, when that is long enough."""
        workers = self._engine.workers
        idleness = Idleness(self._clock())
        while True:
            after_s, uses = self._after_s(), workers.asked + self._admissions
            # What is being started, or has died, is left to its keeper first.
            is_whole = all(keeper.child is not None for keeper in self._engine.keepers)
            is_busy = workers.is_busy or self._admitting > 0 or not is_whole
            if idleness.is_long(self._clock(), uses, after_s, is_busy=is_busy):
                return after_s or 0.0
            await asyncio.sleep(self._look_s)

    async def _go_down(self) -> None:
        async with self._changes:
            await self._engine.templates.close()
            await asyncio.gather(*(keeper.pause() for keeper in self._engine.keepers))

    async def _come_back(self) -> NotBack | None:
        """Returns why it failed, if so; the engine rests on then."""
        async with self._changes:
            if not self._is_resting:
                return None
            began_s = self._clock()
            failures = await asyncio.gather(
                *(keeper.resume() for keeper in self._engine.keepers), return_exceptions=True
            )
            failure = next((each for each in failures if each is not None), None)
            self.is_well = failure is None
            if failure is not None:
                log.error("the workers do not come back: %s", failure)
                await asyncio.gather(*(keeper.pause() for keeper in self._engine.keepers))
                return NotBack(f"{failure}; the next request tries again")
            self._is_resting = False
            self._engine.workers.resume()
            self._is_back.set()
            took_s = self._clock() - began_s
            message = f"back after {took_s:.2f} s"
            self._engine.observed.events.note("woke", "", message, back_s=round(took_s, 3))
            return None
