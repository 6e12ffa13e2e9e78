"""Asynchronous inference as a whole: takes requests, and has those that are due executed.

Of each endpoint no more are executed at a time than it allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from mme.core.background import BackgroundTasks
from mme.core.errors import StateUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mme.jobs.asynchronous.metrics import Metrics
    from mme.jobs.asynchronous.queue import Queue
    from mme.jobs.asynchronous.request import AsyncRequest, Entry, Standing

log = logging.getLogger(__name__)

LOOK_S = 0.25
"""How often it is looked for what is to be tried again."""
FAULT_S = 1.0
"""After a fault of the database."""
MOST_AT_A_TIME = 256
KEPT_S, FORGET_S = 24 * 3600.0, 60.0
"""How long an ended request is known, and how often others are forgotten."""


class Execution(Protocol):
    """Who executes requests (`execution.py`)."""

    async def execute(self, entry: Entry) -> None:
        """Bring a claimed request to its end, or back into the queue."""


class AsyncInference:
    """The event loop owns it."""

    def __init__(
        self,
        queue: Queue,
        executor: Execution,
        metrics: Metrics,
        limit_of: Callable[[str], int],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`limit_of`: how many requests of an endpoint are executed side by side."""
        self._queue = queue
        self._executor = executor
        self._metrics = metrics
        self._limit_of = limit_of
        self._clock = clock
        self._sleep = sleep
        self._news = asyncio.Event()
        self._running: Counter[str] = Counter()
        self._work = BackgroundTasks()
        self._executions: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to execute what is queued."""
        self._work.start(self._keep_executing())
        self._work.start(self._keep_forgetting())

    async def submit(self, request: AsyncRequest, body: bytes | None, ttl_s: float) -> None:
        """Queue a request; returns when it cannot be lost any more."""
        now = self._clock()
        await self._queue.add(request, body, now, now + ttl_s)
        self._news.set()

    async def standing(self, endpoint: str, inference_id: str) -> Standing | None:
        """How the last request of that id stands."""
        return await self._queue.standing(endpoint, inference_id)

    async def metrics(self, endpoint: str) -> list[dict[str, Any]]:
        """An endpoint's metrics as CloudWatch has them."""
        oldest = await self._queue.oldest(endpoint)
        age_s = 0.0 if oldest is None else max(0.0, self._clock() - oldest)
        depth, running = await self._queue.depth(endpoint), self._running[endpoint]
        return self._metrics.data(endpoint, depth, running, age_s)

    def totals(self) -> tuple[int, int, dict[str, int]]:
        """How many wait and run, and what has been counted, of all endpoints together."""
        return self._queue.waiting_in_all(), self._running.total(), dict(self._metrics.totals)

    async def close(self, drain_s: float) -> None:
        """Take up no more; what runs has so long to end, and is else left to whoever is next."""
        await self._work.close()
        await self._queue.stop()
        if self._executions:
            _, left = await asyncio.wait(self._executions, timeout=drain_s)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        await self._queue.close()

    async def _keep_executing(self) -> None:
        while True:
            self._news.clear()
            try:
                entries = await self._claimed()
            except Exception:
                log.exception("the queue cannot be read; it is tried again")
                await asyncio.sleep(FAULT_S)
                continue
            for entry in entries:
                self._start(entry)
            if not entries:
                with contextlib.suppress(TimeoutError):
                    # `wait_for` may lose a cancellation, and with it the end of this loop.
                    async with asyncio.timeout(LOOK_S):
                        await self._news.wait()

    async def _claimed(self) -> list[Entry]:
        room = MOST_AT_A_TIME - self._running.total()
        return await self._queue.claim(self._free, room, self._clock()) if room > 0 else []

    def _free(self, endpoint: str) -> int:
        return max(0, self._limit_of(endpoint) - self._running[endpoint])

    def _start(self, entry: Entry) -> None:
        self._running[entry.request.endpoint] += 1
        task = asyncio.create_task(self._execute(entry), name=f"async {entry.number}")
        self._executions.add(task)
        task.add_done_callback(self._executions.discard)

    async def _execute(self, entry: Entry) -> None:
        try:
            await self._executor.execute(entry)
        except Exception:
            # The database's fault, or ours: it stays what it was, and is executed again.
            log.exception("async request %s could not be ended", entry.request.inference_id)
            await self._put_back(entry)
        finally:
            endpoint = entry.request.endpoint
            self._running[endpoint] -= 1
            if not self._running[endpoint]:
                del self._running[endpoint]
            self._news.set()

    async def _put_back(self, entry: Entry) -> None:
        """Queue what could not be ended again, however long the database takes to be well."""
        is_back = False
        while not is_back:
            await self._sleep(FAULT_S)
            with contextlib.suppress(StateUnavailable):
                await self._queue.put_back(entry, self._clock() + FAULT_S)
                is_back = True

    async def _keep_forgetting(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                while await self._queue.forget(self._clock() - KEPT_S):
                    pass
            await asyncio.sleep(FORGET_S)
