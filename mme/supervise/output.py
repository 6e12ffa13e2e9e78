"""What a child and its descendants write, line by line: a pipe of theirs that we read.

Lines are told as they come, whoever of them wrote; a line that is too long is told cut. What they
mean is up to the child's owner.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_BYTES = 256 * 1024
LAST_WORDS_S = 1.0
"""How long the end of the pipe is waited for; a descendant that got away may keep it open."""


class ChildOutput(asyncio.Protocol):
    """Our end of one child's pipe, and its end until the child has it."""

    def __init__(self, on_line: Callable[[str], None], descriptor: int) -> None:
        self.descriptor = descriptor
        """The child's stdout and stderr, to be."""
        self._on_line = on_line
        self._transport: asyncio.BaseTransport | None = None
        self._is_at_end = asyncio.get_running_loop().create_future()
        self._pieces: list[bytes] = []
        self._size = 0

    @classmethod
    async def open(cls, on_line: Callable[[str], None]) -> ChildOutput:
        """A pipe that is read from now on."""
        ours, theirs = os.pipe()
        made = cls(on_line, theirs)
        file = open(ours, "rb", buffering=0)  # noqa: ASYNC230, PTH123, SIM115 - the transport's
        await asyncio.get_running_loop().connect_read_pipe(lambda: made, file)
        return made

    def hand_over(self) -> None:
        """The child has its end; ours of that one is closed."""
        os.close(self.descriptor)

    def close(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.close()

    async def ended(self) -> None:
        """Return when all is read that was written, the child being gone; then it is closed."""
        await asyncio.wait({self._is_at_end}, timeout=LAST_WORDS_S)
        self.close()

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is read."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Something was written."""
        first, *rest = data.split(b"\n")
        self._add(first)
        for piece in rest:
            self._tell()
            self._add(piece)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the end
        """Nobody writes any more."""
        if self._size:
            self._tell()
        if not self._is_at_end.done():
            self._is_at_end.set_result(None)

    def _add(self, piece: bytes) -> None:
        kept = piece[: max(0, LONGEST_BYTES - self._size)]
        if kept:
            self._pieces.append(kept)
            self._size += len(kept)

    def _tell(self) -> None:
        line = b"".join(self._pieces).decode("utf-8", "backslashreplace").rstrip("\r")
        self._pieces, self._size = [], 0
        if line:
            self._on_line(line)
