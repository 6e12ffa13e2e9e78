"""A connection's TLS, between the socket's transport and the connection that is answered.

To the one it is a protocol, to the other a transport. It counts among the server's connections
while it shakes hands, and is waited for as long as a head is: who never finishes keeps nobody out.
Who speaks plain HTTP is told so in plain HTTP.

Not asyncio's own: that one keeps 256 KiB for each connection, takes time in the square of what is
written at once, and calls written what its client has not read, so that large answers would not
count as held. Here no more is encrypted than the socket takes, and no more is read at a time than
without TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from mme.core.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mme.gateway.connections import Connection, Door, Patience

READ_BYTES = 16 * 1024
"""Most of one connection that is read before another one's turn; a record has no more."""
WRITE_BYTES = 64 * 1024
"""So much is encrypted before it goes to the socket."""
HANDSHAKE_RECORD = 0x16
WANTS_MORE = (ssl.SSLWantReadError, ssl.SSLSyscallError)


class PlainHttp(InvalidRequest):
    """A request that came without TLS to a port that speaks TLS."""

    def __init__(self) -> None:
        super().__init__("This port speaks TLS: ask it by https://")


class Secured(asyncio.Transport, asyncio.Protocol):
    """One connection's TLS."""

    def __init__(self, door: Door, connection: Connection, context: ssl.SSLContext) -> None:
        super().__init__()
        self._door = door
        self._connection = connection
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._wire: asyncio.Transport | None = None
        self._unsent: deque[memoryview] = deque()
        self._shown: object = None
        """The client's certificate, if it was asked for one and has one."""
        self._is_first = self._is_shaking = True
        self._is_closing = self._is_full = self._is_paused = False
        self._has_told = False
        """Whether the connection has been told to pause."""
        self.waits_since_s: float | None = self._loop.time()
        """Since when it waits for its client, until it has shaken hands."""

    # What the door asks while hands are shaken.

    def look(self, now_s: float, patience: Patience) -> None:
        """Close what has waited too long."""
        if self.waits_since_s is not None and now_s - self.waits_since_s > patience.head_s:
            self.abort()

    def leave(self) -> None:
        """Make room for another connection."""
        self.abort()

    # What the socket's transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room: without a handshake nobody can be told that there is none."""
        self._wire = cast("asyncio.Transport", transport)
        if hasattr(transport, "max_size"):
            transport.max_size = READ_BYTES
        if not self._door.let_in(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client's."""
        if self._is_closing:
            return
        if self._is_first:
            self._is_first = False
            if data[0] != HANDSHAKE_RECORD:
                self._turn_away()
                return
        self._incoming.write(data)
        self._go_on()

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._is_full = True
        if not self._is_shaking and not self._has_told:
            self._has_told = True
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._is_full = False
        self._send()  # which may fill it again at once
        if not self._is_full and self._has_told:
            self._has_told = False
            self._connection.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._is_closing = True
        self._unsent.clear()
        self._wire = None
        if self._is_shaking:
            self._door.left(self)
        else:
            self._connection.connection_lost(exc)

    # What the connection asks of its transport.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`sslcontext`, `ssl_object`, `peercert`, and whatever the socket's transport knows."""
        match name:
            case "sslcontext":
                return self._context
            case "ssl_object":
                return self._tls
            case "peercert":
                return self._shown
        return default if self._wire is None else self._wire.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Whether it is closed, or will be when all is written."""
        return self._is_closing

    def get_write_buffer_size(self) -> int:
        """Bytes that the socket has not taken."""
        held = sum(map(len, self._unsent))
        return held if self._wire is None else held + self._wire.get_write_buffer_size()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write as much as the socket takes, and the rest when it does."""
        if data and not self._is_closing:
            self._unsent.append(memoryview(data))
            self._send()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write several at once, in as few records as may be."""
        self.write(b"".join(list_of_data))

    def is_reading(self) -> bool:
        """Whether what comes is passed on."""
        return not self._is_paused and not self._is_closing

    def pause_reading(self) -> None:
        """Take no more from the client."""
        self._is_paused = True
        if self._wire is not None:
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Go on with what has come, and with what comes."""
        self._is_paused = False
        if self._wire is not None:
            self._wire.resume_reading()
            self._loop.call_soon(self._go_on)

    def close(self) -> None:
        """Say goodbye and close when all is written; the client's own goodbye is not waited for."""
        if not self._is_closing:
            self._is_closing = True
            self._send()

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self._unsent.clear()
        if self._wire is not None:
            self._wire.abort()

    def _go_on(self) -> None:
        """Do what can be done with the bytes that are there."""
        try:
            if self._is_shaking:
                self._tls.do_handshake()
                self._begin()
            self._read()
        except WANTS_MORE:
            self._flush()
        except ssl.SSLError as error:
            if self._is_shaking:
                self._door.rare.write(f"a TLS handshake failed: {error.reason or error}")
            self._flush()  # of it may be a word on what is wrong
            if self._wire is not None:
                self._is_closing = True
                self._wire.close()

    def _begin(self) -> None:
        self._is_shaking = False
        if self._context.verify_mode != ssl.CERT_NONE:
            self._shown = self._tls.getpeercert()
        self._door.left(self)
        self.waits_since_s = None
        self._flush()
        self._connection.connection_made(self)

    def _read(self) -> None:
        """Pass on what can be decrypted."""
        parts, is_over = [], False
        try:
            while not self._is_paused and not self._is_closing:
                part = self._tls.read(READ_BYTES)
                if not part:
                    is_over = True
                    break
                parts.append(part)
        except WANTS_MORE:
            pass
        except ssl.SSLZeroReturnError:
            is_over = True
        if parts:
            self._connection.data_received(b"".join(parts))
        if is_over:
            self.close()
        else:
            self._flush()

    def _send(self) -> None:
        """Encrypt what the socket takes; the end, if it is time for it."""
        try:
            while self._unsent and not self._is_full and self._wire is not None:
                view = self._unsent.popleft()
                taken = self._tls.write(view[:WRITE_BYTES])
                if taken < len(view):
                    self._unsent.appendleft(view[taken:])
                if self._outgoing.pending >= WRITE_BYTES or not self._unsent:
                    self._flush()
        except ssl.SSLError:
            self.abort()
        if self._is_closing and not self._unsent and self._wire is not None:
            if not self._is_shaking:
                with contextlib.suppress(ssl.SSLError):  # of the client's goodbye, not waited for
                    self._tls.unwrap()
                self._flush()
            self._wire.close()

    def _flush(self) -> None:
        if self._outgoing.pending and self._wire is not None:
            self._wire.write(self._outgoing.read())

    def _turn_away(self) -> None:
        self._door.rare.write("plain HTTP came to a port that speaks TLS")
        if self._wire is not None:
            self._wire.write(self._door.as_bytes(PlainHttp()))
            self.close()
