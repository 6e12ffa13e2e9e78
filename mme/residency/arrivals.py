"""Artifacts on their way: one arrival a target however many requests wait for it.

Waiting has a deadline, an arrival has none: it goes on without those that gave up. How an artifact
comes to this disk is the catalog's business.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError, ModelFailed, ModelNotReady, ShuttingDown

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.artifact import Admitted
    from mme.residency.catalog import Catalog
    from mme.residency.table import Known, TargetTable

log = logging.getLogger(__name__)

NO_ANSWER = 0


class Arrivals:
    """The arrivals under way. All methods run on the event loop that made it."""

    def __init__(
        self,
        catalog: Catalog,
        table: TargetTable,
        on_arrived: Callable[[Admitted], None],
        on_failed: Callable[[str, EndpointError], None],
        *,
        ready_timeout_s: float,
        failure_memory_s: float,
    ) -> None:
        """`on_arrived` puts a version into the table; `on_failed` is told of each failure."""
        self._catalog = catalog
        self._table = table
        self._on_arrived = on_arrived
        self._on_failed = on_failed
        self._ready_timeout_s = ready_timeout_s
        self._failure_memory_s = failure_memory_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    def targets(self) -> list[str]:
        """What is on its way, in no order."""
        return list(self._tasks)

    def has(self, target: str) -> bool:
        """Whether a target is on its way."""
        return target in self._tasks

    async def bring_in(self, target: str) -> Known:
        """The version of `target` that serves, brought in if there is none.

        Raises what the arrival raises, ModelNotReady at the deadline, ShuttingDown.
        """
        deadline_s = time.monotonic() + self._ready_timeout_s
        while True:
            failure = self._table.failure(target, time.monotonic())
            if failure is not None:
                raise failure.anew()
            arrival = self.start(target)
            # The arrival is not this request's alone: it goes on when the request is withdrawn.
            left_s = max(0.0, deadline_s - time.monotonic())
            done, _ = await asyncio.wait({arrival}, timeout=left_s)
            if not done:
                reason = f"it is still on its way to this disk after {self._ready_timeout_s:g} s"
                raise ModelNotReady(target, reason)
            if arrival.cancelled():
                raise ShuttingDown
            if (error := arrival.exception()) is not None:
                raise error.anew() if isinstance(error, EndpointError) else error
            known = self._table.current(target)
            if known is not None:
                return known

    def start(self, target: str) -> asyncio.Task[None]:
        """The arrival of `target` that is under way, started if there is none."""
        if self._is_closed:
            raise ShuttingDown
        arrival = self._tasks.get(target)
        if arrival is None:
            arrival = asyncio.create_task(self._arrive(target), name=f"bring in {target}")
            self._tasks[target] = arrival
            arrival.add_done_callback(lambda task: self._ended(target, task))
        return arrival

    async def settled(self, target: str) -> None:
        """Return when no arrival of `target` is under way."""
        arrival = self._tasks.get(target)
        if arrival is not None:
            await asyncio.wait({arrival})

    async def close(self) -> None:
        """Cancel every arrival and wait for its end; no new one starts."""
        self._is_closed = True
        arrivals = list(self._tasks.values())
        for arrival in arrivals:
            arrival.cancel()
        await asyncio.gather(*arrivals, return_exceptions=True)

    def _ended(self, target: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(target, None)
        if not task.cancelled():
            task.exception()  # seen: waiting requests get it, and there may be none any more

    async def _arrive(self, target: str) -> None:
        try:
            artifact = await self._catalog.bring(target)
        except EndpointError as error:
            self._failed(target, error)
            raise
        except Exception as error:
            log.exception("cannot bring in %s", target)
            failure = ModelFailed(target, NO_ANSWER, f"unforeseen {type(error).__name__}")
            self._failed(target, failure)
            raise failure from error
        self._on_arrived(artifact)

    def _failed(self, target: str, error: EndpointError) -> None:
        self._on_failed(target, error)
        until_s = time.monotonic() + self._failure_memory_s
        self._table.failed(target, error.anew(), until_s)
