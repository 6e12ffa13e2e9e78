"""Two kinds of work that must not overlap, though each may with its own kind.

The model server must not be told to let a model go while it starts a worker for another one
(`registering.py` says why). Both are short, so each kind waits for its turn; who waits is not
overtaken.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Turns:
    """Work of kind 0 or 1, many of one kind at a time. The event loop owns it."""

    def __init__(self) -> None:
        self._running = [0, 0]
        self._waiting = [0, 0]
        self._served_last = 1
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def of(self, kind: int) -> AsyncIterator[None]:
        """Hold a turn of this kind inside the block."""
        other = 1 - kind
        async with self._changed:
            self._waiting[kind] += 1
            try:
                # Behind the others, if they wait too and it is their turn.
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
