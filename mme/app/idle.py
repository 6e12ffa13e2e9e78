"""Idle to zero: without requests for long, workers, template and model server go down.

What stays is the gateway, with all that is admitted on its disk. The first request, or artifact to
be admitted, brings the rest back and waits for it as it would after a death of the model server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

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
    """Lets an engine rest when it has been idle. The event loop owns it."""

    def __init__(
        self,
        engine: Engine,
        after_s: Callable[[], float | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        look_s: float = LOOK_S,
    ) -> None:
        """`after_s` says how long it must be idle for that; None: it shall not rest."""
        self._engine = engine
        self._after_s = after_s
        self._clock = clock
        self._look_s = look_s
        self._wanted = asyncio.Event()
        self._admissions = self._admitting = 0

    async def admit(self, job: AdmissionJob) -> Findings:
        """As the engine's admissions do, which are a use like any other."""
        self._admissions += 1
        self._admitting += 1
        self._wanted.set()
        try:
            return await self._engine.admissions.admit(job)
        finally:
            self._admitting -= 1

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Inside the block the engine, which is running, rests when it is idle."""
        watch = asyncio.create_task(self._watch(), name="idle to zero")
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            idle_s = await self._until_idle()
            await self._rest(idle_s)

    async def _until_idle(self) -> float:
        workers = self._engine.workers
        idleness = Idleness(self._clock())
        while True:
            after_s, uses = self._after_s(), workers.asked + self._admissions
            is_busy = workers.is_busy or self._admitting > 0
            if idleness.is_long(self._clock(), uses, after_s, is_busy=is_busy):
                return after_s or 0.0
            await asyncio.sleep(self._look_s)

    async def _rest(self, idle_s: float) -> None:
        """Go down and, when something is asked, come back; returns when requests are answered."""
        engine = self._engine
        log.info("idle for %g s: the workers go down until the next request", idle_s)
        self._wanted.clear()
        engine.workers.on_wanted = self._wanted.set
        try:
            await asyncio.gather(*(keeper.pause() for keeper in engine.keepers))
            await self._wanted.wait()
            began_s = self._clock()
            for keeper in engine.keepers:
                keeper.resume()
            with contextlib.suppress(TimeoutError):  # it is not resting any more, but sick
                async with asyncio.timeout(engine.start_timeout_s):
                    await engine.workers.until_ready()
            log.info("back after %.2f s", self._clock() - began_s)
        finally:
            engine.workers.on_wanted = None
