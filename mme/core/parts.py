"""An answer on its way in pieces, from the worker's door to whoever passes them on.

A request whose `Terms` hold a `Parts` has the pieces put here as the worker sends them; the
`Answer` then has what is left, mostly nothing. Where the answer comes whole, as through the model
server, none is put. Whoever reads more slowly than the worker sends has the worker wait: nothing
more is read from it while `HIGH_WATER_BYTES` lie here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HIGH_WATER_BYTES = 256 * 1024
LOW_WATER_BYTES = 64 * 1024
PIECE_BYTES = 64
"""What a piece takes beside its bytes: many may be tiny."""


class Flow(Protocol):
    """Where pieces come from."""

    def pause(self) -> None:
        """Send none for now."""

    def resume(self) -> None:
        """Send on; harmless if there was no pause."""


class Parts:
    """The pieces of one answer. For one reader and one sender on one event loop."""

    def __init__(self, on_begin: Callable[[], None] = lambda: None) -> None:
        """`on_begin` is called when the first piece is there."""
        self._on_begin = on_begin
        self.headers: Mapping[str, str] = {}
        """Of the answer, names in lower case; known once it has begun."""
        self.target = self.version = ""
        """The target model that answers and its version, as the `Answer` has them."""
        self.has_begun = False
        """Whether a piece has come: the request can be given to no other worker any more."""
        self.is_held_up = False
        """Whether the sender waits for the reader."""
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._flow: Flow | None = None
        self._has_ended = False
        self._is_closed = False
        self._changed = asyncio.Event()

    # ---- the sender's side

    def put(self, body: bytes, headers: Mapping[str, str], flow: Flow) -> None:
        """A piece has come; `headers` count with the first only."""
        if self._is_closed:
            return
        if not self.has_begun:
            self.has_begun, self.headers = True, headers
            self._on_begin()
        self._flow = flow
        self._pieces.append(body)
        self._held_bytes += len(body) + PIECE_BYTES
        if self._held_bytes >= HIGH_WATER_BYTES and not self.is_held_up:
            self.is_held_up = True
            flow.pause()
        self._changed.set()

    def release(self) -> None:
        """The sender is done with the request, or has given it up."""
        self._let_flow()
        self._flow = None

    def end(self) -> None:
        """No more comes."""
        self._has_ended = True
        self._changed.set()

    # ---- the reader's side

    async def next(self) -> bytes | None:
        """The next piece; None when no more comes."""
        while not self._pieces and not self._has_ended:
            self._changed.clear()
            await self._changed.wait()
        if not self._pieces:
            return None
        taken = self._pieces.popleft()
        self._held_bytes -= len(taken) + PIECE_BYTES
        if self._held_bytes <= LOW_WATER_BYTES:
            self._let_flow()
        return taken

    def close(self) -> None:
        """Nobody reads any more: what comes from now on is dropped."""
        self._is_closed = True
        self._pieces.clear()
        self._held_bytes = 0
        self._let_flow()

    def _let_flow(self) -> None:
        if self.is_held_up:
            self.is_held_up = False
            if self._flow is not None:
                self._flow.resume()
