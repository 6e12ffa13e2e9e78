"""How many artifacts are fetched and admitted side by side: few, but a slow one holds up no other.

One that takes longer than most do gives its slot up and goes on beside; of those there may be a few
times as many. So an artifact that uses up all the time an admission has keeps no other one out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_S = 3.0
SLOW_TIMES = 4
"""How many times as many there may be, slow ones included."""


class Slots:
    """`count` slots. The event loop owns it."""

    def __init__(self, count: int, patience_s: float = PATIENCE_S) -> None:
        self._quick = asyncio.Semaphore(count)
        self._all = asyncio.Semaphore(count * SLOW_TIMES)
        self._patience_s = patience_s

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Inside the block one is taken, for a while."""
        async with self._all:
            await self._quick.acquire()
            is_held = True

            def release() -> None:
                nonlocal is_held
                if is_held:
                    is_held = False
                    self._quick.release()

            timer = asyncio.get_running_loop().call_later(self._patience_s, release)
            try:
                yield
            finally:
                timer.cancel()
                release()
