"""The gateway's end of a worker's door: one connection, one message at a time.

Tells how a connection that ends with a question under way ended, which decides whether the question
may be given to another worker. The kernel knows: where the worker left bytes of it unread, the
connection is *reset*; where it had read all, the connection just *ends* (unix(7), close with unread
data). Which question comes next is for `dispatch.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

from mme.core.door import PREFIX, Answer, DoorError, Hello, Part, Together, decode, encode, lengths

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mme.core.door import Message

HIGH_WATER_BYTES = 1 << 30
"""The transport takes a whole frame: there is one at a time, and its size is bounded before."""
CONNECT_TIMEOUT_S = 5.0
REST_BYTES = 1 << 18
FIRST_ERROR = 400


class Door(asyncio.Protocol):
    """An open door. The event loop owns it.

    `on_part` gets each part and says whether it is taken; `on_answer` gets each answer, joined with
    the parts that were not, and the Done of a Drop; `on_end` is called once, with whether the
    worker had read what was sent last.
    """

    def __init__(self) -> None:
        self.hello: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self.on_part: Callable[[Part], bool] = lambda _: False
        self.on_answer: Callable[[Message], None] = lambda _: None
        self.on_end: Callable[[bool], None] = lambda _: None
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._parts: list[bytes] = []
        self._is_late = False
        """Whether something was to be sent after the connection's end."""

    @property
    def is_open(self) -> bool:
        """Whether the worker is there still."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def has_ended(self) -> bool:
        """Whether nothing is sent any more: what came before the end is told, then the end."""
        return self._transport is None

    def send(self, message: Message) -> None:
        """Send one message. Raises DoorError for one that cannot be put into a frame."""
        self._write(encode(message))

    def send_frame(self, beginning: bytes, body: bytes | bytearray) -> None:
        """Send a message of which all but the body is in the form of a frame already."""
        self._write(beginning, body)

    def send_together(self, frames: Sequence[tuple[bytes, bytes | bytearray]]) -> None:
        """Send several questions to be answered at once, each as `send_frame` does."""
        self._write(encode(Together(len(frames))), *(piece for frame in frames for piece in frame))

    def has_unread(self) -> bool:
        """Whether the worker has not yet read all that was sent to it."""
        if self._transport is None or self._socket is None:
            return True
        if self._transport.get_write_buffer_size():
            return True
        unread = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
        return bool(struct.unpack("i", unread)[0])

    def pause(self) -> None:
        """Read nothing of the worker, which then waits; not even its end is seen."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def forget(self) -> None:
        """Tell no more of the worker, not even its end."""
        self.on_part = lambda _: True
        self.on_answer, self.on_end = lambda _: None, lambda _: None

    def close(self) -> None:
        """Close it, which ends the worker; `on_end` is not called."""
        self.forget()
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)

    def data_received(self, data: bytes) -> None:
        """Take in bytes; whole messages are passed on."""
        self._received += data
        try:
            while (message := self._next()) is not None:
                self._take(message)
        except DoorError:
            # Whatever it is, it is no worker of ours any more.
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell how it ended, after what it had answered before that."""
        self._transport = None
        if isinstance(exc, BrokenPipeError):
            self._take_rest()
        if not self.hello.done():
            self.hello.set_exception(ConnectionError("the worker ended before it said hello"))
            self.hello.exception()  # seen: nobody may wait for it any more
        on_end, self.on_end = self.on_end, lambda _: None
        on_end(not self._is_late and not isinstance(exc, ConnectionResetError | BrokenPipeError))

    def _write(self, *pieces: bytes | bytearray) -> None:
        if self._transport is not None:
            # Its end has been seen, and is told in the loop's next turn: nothing is sent any more.
            self._is_late = self._is_late or self._transport.is_closing()
            self._transport.writelines(pieces)

    def _take_rest(self) -> None:
        """Take in what had come when something could not be sent: asyncio reads no more then."""
        assert self._socket is not None  # noqa: S101 - for the type checker
        with contextlib.suppress(OSError):  # the worker left bytes unread
            while data := os.read(self._socket.fileno(), REST_BYTES):
                self.data_received(data)

    def _next(self) -> Message | None:
        received = self._received
        if len(received) < PREFIX.size:
            return None
        kind, head_bytes, body_bytes = lengths(bytes(received[: PREFIX.size]))
        body_at = PREFIX.size + head_bytes
        end = body_at + body_bytes
        if len(received) < end:
            return None
        with memoryview(received) as view:
            head, body = bytes(view[PREFIX.size : body_at]), bytes(view[body_at:end])
        del received[:end]
        return decode(kind, head, body)

    def _take(self, message: Message) -> None:
        if isinstance(message, Hello):
            if not self.hello.done():
                self.hello.set_result(message)
        elif isinstance(message, Part):
            if not self.on_part(message):
                self._parts.append(message.body)
        else:
            # An error makes the parts before it void: the work broke off.
            if self._parts and isinstance(message, Answer) and message.status < FIRST_ERROR:
                message = _joined(message, self._parts)
            self._parts = []
            self.on_answer(message)


def _joined(answer: Answer, parts: list[bytes]) -> Answer:
    body = b"".join((*parts, answer.body))
    return Answer(
        answer.status, answer.headers, body, answer.load_s, answer.is_unloadable, answer.dropped
    )


async def open_door(path: Path) -> Door:
    """Connect to the door at `path`; returns when the worker has said hello.

    Raises OSError, TimeoutError.
    """
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        loop = asyncio.get_running_loop()
        _, door = await loop.create_unix_connection(Door, str(path))
        try:
            await door.hello
        except BaseException:
            door.close()
            raise
        return door
