"""A connection's TLS: from its first byte to its last, over asyncio's own protocol.

It counts among the server's connections while it shakes hands, and is waited for as long as a head
is: who never finishes keeps nobody out. Who speaks plain HTTP is told so in plain HTTP. What is
read at a time is bounded as it is without TLS; asyncio would keep 256 KiB for each connection.
"""

from __future__ import annotations

from asyncio.sslproto import SSLProtocol
from typing import TYPE_CHECKING, cast

from mme.core.errors import InvalidRequest

if TYPE_CHECKING:
    import asyncio
    import ssl

    from mme.gateway.connections import Connection, Door, Patience

READ_BYTES = 16 * 1024
"""The largest record of TLS; most of one connection that is read before another one's turn."""
RECORD_OF_HANDSHAKE = 0x16
CLOSING_S = 5.0
"""How long a client may take to say that it has heard the end."""


class PlainHttp(InvalidRequest):
    """A request that came without TLS to a port that speaks TLS."""

    def __init__(self) -> None:
        super().__init__("This port speaks TLS: ask it by https://")


class Handshake(SSLProtocol):
    """What lies between a connection and its socket."""

    max_size = READ_BYTES

    def __init__(
        self,
        door: Door,
        connection: Connection,
        context: ssl.SSLContext,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        done: asyncio.Future[None] = loop.create_future()
        done.add_done_callback(self._note)
        super().__init__(
            loop,
            connection,
            context,
            done,
            server_side=True,
            ssl_shutdown_timeout=CLOSING_S,
        )
        self._door = door
        self._is_first = True
        self.waits_since_s: float | None = loop.time()
        """Since when it waits for its client, until it has shaken hands."""
        self.wire: asyncio.Transport | None = None
        """The socket's own transport, while there is one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room; without a handshake nothing can be answered if there is none."""
        self.wire = cast("asyncio.Transport", transport)
        if self._door.let_in(self):
            super().connection_made(transport)
        else:
            self.wire.abort()

    def is_over(self) -> None:
        """Hands are shaken: from now on its connection counts instead."""
        self._door.left(self)
        self.waits_since_s = None

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes."""
        if self._is_first:
            self._is_first = False
            if self.get_buffer(1)[0] != RECORD_OF_HANDSHAKE:
                self._turn_away()
                return
        super().buffer_updated(nbytes)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._door.left(self)
        self.wire = None
        super().connection_lost(exc)

    def look(self, now_s: float, patience: Patience) -> None:
        """Close what has waited too long."""
        since_s = self.waits_since_s
        if since_s is not None and now_s - since_s > patience.head_s:
            self.leave()

    def leave(self) -> None:
        """Make room for another connection."""
        if self.wire is not None:
            self.wire.abort()

    def _turn_away(self) -> None:
        self._door.rare.write("plain HTTP came to a port that speaks TLS")
        if self.wire is not None:
            self.wire.write(self._door.as_bytes(PlainHttp()))
            self.wire.close()

    def _note(self, done: asyncio.Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._door.rare.write(f"a TLS handshake failed: {error}")
