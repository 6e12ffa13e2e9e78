"""So many at once of each kind; whoever comes when all slots are taken waits for one."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable


class Slots:
    """Slots of kinds that nobody knows beforehand. For one event loop."""

    def __init__(self, most: int) -> None:
        """`most` of each kind."""
        self._most = most
        self._free: dict[Hashable, asyncio.Semaphore] = {}
        self._users: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._users)

    @contextlib.asynccontextmanager
    async def one(self, kind: Hashable, timeout_s: float | None) -> AsyncIterator[None]:
        """Have a slot of a kind. Raises TimeoutError if none is free in time."""
        free = self._free.setdefault(kind, asyncio.Semaphore(self._most))
        self._users[kind] += 1
        try:
            async with asyncio.timeout(timeout_s):
                await free.acquire()
            try:
                yield
            finally:
                free.release()
        finally:
            self._users[kind] -= 1
            if not self._users[kind]:
                del self._users[kind], self._free[kind]
