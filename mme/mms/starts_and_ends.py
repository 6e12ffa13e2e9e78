"""Starts and ends of workers exclude each other; any number of one kind may run at a time.

Stock MMS keeps a pool of threads, and letting one worker go may interrupt the thread that has just
begun to start another (MMS 1.1.11, `WorkerThread.shutdown`): that start fails, or never ends. Both
are short, so they alternate, and a kind that waits is not overtaken.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


START, END = 0, 1


class StartsAndEnds:
    """The lock of one model server. The event loop owns it."""

    def __init__(self) -> None:
        self._running = [0, 0]
        self._waiting = [0, 0]
        self._served_last = 1
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """No worker is ended inside the block."""
        async with self._held(START):
            yield

    @contextlib.asynccontextmanager
    async def ending(self) -> AsyncIterator[None]:
        """No worker is started inside the block."""
        async with self._held(END):
            yield

    @contextlib.asynccontextmanager
    async def _held(self, kind: int) -> AsyncIterator[None]:
        other = 1 - kind
        async with self._changed:
            self._waiting[kind] += 1
            try:
                # Behind the other kind, if that waits too and this one was served last.
                await self._changed.wait_for(
                    lambda: (
                        not self._running[other]
                        and not (self._waiting[other] and self._served_last == kind)
                    )
                )
                self._running[kind] += 1
                self._served_last = kind
            finally:
                self._waiting[kind] -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            async with self._changed:
                self._running[kind] -= 1
                self._changed.notify_all()
