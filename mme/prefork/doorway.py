"""The worker's end of its door: the socket others come to, and frames in and out of it.

One connection in a worker's life, the gateway's; its end is the gateway's end.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from mme.core.door import PREFIX, DoorError, Message, decode, encode, lengths

if TYPE_CHECKING:
    from collections.abc import Iterable

READ_BYTES = 65536
"""A frame up to this size is read by one call."""


def listening(path: str) -> socket.socket:
    """A socket bound at `path`, whatever was there before."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - fewer pages written than with a Path
    listener.bind(path)
    listener.listen(1)
    return listener


class Door:
    """The connection, once the gateway has come."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""

    @property
    def has_rest(self) -> bool:
        """Whether more than the last message has been read already."""
        return bool(self._rest)

    def send(self, message: Message) -> None:
        """Send one message; returns when the kernel has it. Raises OSError, DoorError."""
        self._connection.sendall(encode(message))

    def send_all(self, messages: Iterable[Message]) -> None:
        """Send several, as `send` does."""
        self._connection.sendall(b"".join(map(encode, messages)))

    def receive(self) -> Message | None:
        """The next message; None if the gateway is gone. Raises OSError, DoorError."""
        data = self._rest or self._connection.recv(READ_BYTES)
        while len(data) < PREFIX.size:
            more = self._connection.recv(READ_BYTES)
            if not more:
                if data:
                    raise DoorError("the connection ended within a frame")
                return None
            data += more
        kind, head_bytes, body_bytes = lengths(data[: PREFIX.size])
        body_at = PREFIX.size + head_bytes
        end = body_at + body_bytes
        if len(data) >= end:
            self._rest = data[end:]
            return decode(kind, data[PREFIX.size : body_at], data[body_at:end])
        self._rest = b""
        head, body = bytearray(head_bytes), bytearray(body_bytes)
        head[: len(data) - PREFIX.size] = data[PREFIX.size : body_at]
        body[: max(0, len(data) - body_at)] = data[body_at:]
        self._fill(head, min(head_bytes, len(data) - PREFIX.size))
        self._fill(body, max(0, len(data) - body_at))
        return decode(kind, bytes(head), body)

    def _fill(self, place: bytearray, have: int) -> None:
        view = memoryview(place)
        while have < len(view):
            count = self._connection.recv_into(view[have:])
            if not count:
                raise DoorError("the connection ended within a frame")
            have += count
