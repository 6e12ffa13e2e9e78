"""What the bodies of requests that are executed may hold together."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Share:
    """What one request holds."""

    def __init__(self, room: Room, held_bytes: int) -> None:
        self._room = room
        self.held_bytes = held_bytes

    def shrink_to(self, size: int) -> None:
        """Hold no more than `size`."""
        if size < self.held_bytes:
            self._room.give_back(self.held_bytes - size)
            self.held_bytes = size


class Room:
    """A bound on bytes. The event loop owns it; one that is larger than all of it comes alone."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def held(self, count: int) -> AsyncIterator[Share]:
        """Hold `count` bytes inside the block, as soon as there is room."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: not self.held_bytes or self.held_bytes + count <= self._limit_bytes
            )
            self.held_bytes += count
        share = Share(self, count)
        try:
            yield share
        finally:
            self.give_back(share.held_bytes)

    def give_back(self, count: int) -> None:
        """Hold `count` bytes less."""
        self.held_bytes -= count
        if count:
            task = asyncio.create_task(self._tell())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
