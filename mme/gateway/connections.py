"""Connections: how many there may be, how long one waits for its client, what no request is told.

One look a second finds those that have waited too long: for a first byte, for the rest of a head,
for the next request, or for a client to read its answer. A body's time is up to `bodies.py`. Where
there are as many connections as there may be, those that have waited longest leave for new ones,
so that whoever opens many and says nothing keeps nobody out; only where all of them are being
answered is a new one told to come again.

Built on aiohttp's own handler of a connection, whose states it reads.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from mme.gateway.access import RareLines, http_log
from mme.gateway.errors import NotHttp, TooManyConnections
from mme.gateway.secured import READ_BYTES, Secured

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Awaitable, Callable

    from mme.gateway.bodies import BodyBudget, Share

    Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    Naming = Callable[[Exception], web.Response]

LOOK_EVERY_S = 1.0
ROOM_SHARE = 16
"""Where room is made, this part of all connections leaves at once."""
MOST = 2000
DESCRIPTORS_SHARE = 2
"""Connections may take this part of the descriptors the process may have."""

FREE_FRAMING_BYTES, FRAMING_SHARE = 8 * 1024, 4
"""So much of a chunked body may be signs between chunks, and this part of what it holds besides."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many connections, and how long they are waited for."""

    connections: int
    head_s: float = 20.0
    """From the first byte of a head to its last, and from the opening to the first."""
    idle_s: float = 75.0
    """Between two requests; longer than the usual proxy keeps a connection."""
    reading_s: float = 60.0
    """A client may take this long to read one answer, or of a stream what lies ready for it."""


def most_connections(wanted: int | None) -> int:
    """As many as wanted, but no more than leave descriptors for everything else."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(wanted or MOST, descriptors // DESCRIPTORS_SHARE))


class Guest(Protocol):
    """A connection as the door counts it, shaking hands or answered already."""

    @property
    def waits_since_s(self) -> float | None:
        """Since when it waits for its client; None if it does not."""

    def look(self, now_s: float, patience: Patience, /) -> None:
        """Close what has waited too long."""

    def leave(self) -> None:
        """Make room for another connection."""


class Connection(RequestHandler):
    """One connection, which knows how long it has been waiting."""

    __slots__ = (
        "_answered",
        "_door",
        "_is_dropped",
        "_is_in_head",
        "_share",
        "_socket",
        "_stop",
        "_stuck",
        "_waits_since_s",
        "_weighed",
        "_wire_bytes",
    )

    def __init__(self, door: Door, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(door, loop=loop, **options)
        self._door = door
        self._socket: asyncio.Transport | None = None
        self._share: Share | None = None
        self._stop: asyncio.Event | None = None
        self._is_in_head = False
        self._answered = 0
        self._waits_since_s = 0.0
        self._weighed: object = None
        self._wire_bytes = 0
        """How many bytes came for the body that is weighed."""
        self._is_dropped = False
        """Whether what comes is not looked at any more."""
        self._stuck = (-1, 0.0)
        """How many answers there were when one began to wait for its reader, and when that was."""

    @property
    def waits_since_s(self) -> float | None:
        """Since when it waits for bytes of its client; None if it does not."""
        request = self._current_request
        waits = self._is_idle if request is None else not request.content.is_eof()
        return self._waits_since_s if waits else None

    @property
    def _is_idle(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def holds(self, share: Share) -> None:
        """Give `share` back when the answer under way has been written, or cannot be."""
        self._share = share

    def ends_with(self, stop: asyncio.Event) -> None:
        """Have `stop` set when the endpoint stops: the answer under way has no end of its own."""
        self._stop = stop

    def close(self) -> None:
        """Take no more requests: the endpoint stops."""
        super().close()
        if self._stop is not None:
            self._stop.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        self._socket = cast("asyncio.Transport", transport)
        self._waits_since_s = self._loop.time()
        if self._door.let_in(self):
            if hasattr(transport, "max_size"):
                transport.max_size = READ_BYTES
            super().connection_made(transport)
        else:
            self._force_close = True
            self._socket.write(self._door.refusal)
            self._socket.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._door.left(self)
        self._socket = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; note whether they leave a head unfinished."""
        if self._is_dropped:
            return
        super().data_received(data)
        self._weigh(len(data))
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._break_off_body()
        is_in_head = self._is_idle and bool(data)
        if is_in_head and not self._is_in_head:
            self._waits_since_s = self._loop.time()
        self._is_in_head = is_in_head

    def _weigh(self, size: int) -> None:
        """Break off a body that is hardly more than the signs between its chunks.

        Each chunk takes the parser as long as kilobytes do, and all others wait for that.
        """
        payload = self._messages[-1][1] if self._messages else None
        if payload is None and self._current_request is not None:
            payload = self._current_request.content
        if payload is None or payload.is_eof():
            return
        if payload is not self._weighed:
            self._weighed, self._wire_bytes = payload, 0  # with this piece its head came
            return
        self._wire_bytes += size
        body_bytes = payload.total_bytes
        if self._wire_bytes - body_bytes > FREE_FRAMING_BYTES + body_bytes // FRAMING_SHARE:
            self._is_dropped = True
            payload.set_exception(web.RequestPayloadError("its chunks are too small"))
            self.close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write an answer."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._answered += 1
            self._waits_since_s = self._loop.time()
            if self._share is not None:
                self._share.give_back()
                self._share = None

    def _break_off_body(self) -> None:
        """Fail the body that is being read: after bytes that break HTTP's rules no more comes."""
        request = self._current_request
        if request is not None and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("HTTP's rules are broken in it"))

    def look(self, now_s: float, patience: Patience) -> None:
        """Close what has waited too long."""
        if self._socket is None:
            return
        if self._socket.is_closing() or self._socket.get_write_buffer_size():
            if self._stuck[0] != self._answered:
                self._stuck = (self._answered, now_s)
            elif now_s - self._stuck[1] > patience.reading_s:
                self._socket.abort()
            return
        self._stuck = (-1, 0.0)
        is_new = self._is_in_head or not self._answered
        if self._is_idle and now_s - self._waits_since_s > (
            patience.head_s if is_new else patience.idle_s
        ):
            self.force_close()

    def moves_on(self) -> None:
        """The client has read a good deal of the answer under way: its time begins anew."""
        self._stuck = (-1, 0.0)

    def leave(self) -> None:
        """Make room for another connection."""
        self.force_close()
        if self._socket is not None:
            self._socket.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no request, in the form of all others."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        del status
        if isinstance(exc, HttpProcessingError):
            self._door.rare.write(f"a request that is no HTTP: {message or exc.message}")
            answer = self._door.name(NotHttp(message or exc.message))
        else:
            http_log.error("an answer could not be made", exc_info=exc)
            answer = self._door.name(exc if isinstance(exc, Exception) else RuntimeError())
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a failure of ours with its trace; a body that broke off or cannot be read is none."""
        if isinstance(kw.get("exc_info"), (web.RequestPayloadError, ConnectionError)):
            self._door.rare.write(f"a request was broken off: {kw['exc_info']}")
        else:
            super().log_exception(*args, **kw)


class Door(web.Server):
    """The server of a surface; to be made on the event loop that runs it."""

    def __init__(
        self,
        answering: Answering,
        name: Naming,
        bodies: BodyBudget,
        patience: Patience,
        **options: Any,
    ) -> None:
        super().__init__(
            answering,
            handler_cancellation=True,  # a client that has gone holds no worker
            access_log=None,
            logger=http_log,
            **options,
        )
        self.name = name
        """Makes the answer of an error that no request's own handling sees."""
        self.rare = RareLines()
        self.refusal = self.as_bytes(TooManyConnections(patience.connections))
        self.management: Door | None = None
        """What answers at the management port, where there is one."""
        self._contexts: Callable[[], ssl.SSLContext] | None = None
        self._bodies = bodies
        self._patience = patience
        self._open: set[Guest] = set()
        self._is_looking = False

    @property
    def open_count(self) -> int:
        """How many connections there are, those that shake hands included."""
        return len(self._open)

    def speak_tls(self, contexts: Callable[[], ssl.SSLContext]) -> None:
        """Answer new connections by TLS only, each by the context there is when it opens."""
        self._contexts = contexts

    def __call__(self) -> RequestHandler:
        """Make the handler of a new connection."""
        connection = Connection(self, loop=self._loop, **self._kwargs)
        if self._contexts is None:
            return connection
        secured = Secured(self, connection, self._contexts())
        return cast("RequestHandler", secured)  # asyncio takes any protocol

    def pre_shutdown(self) -> None:
        """Close what waits for a request, and what has not come as far."""
        for each in list(self._open):
            if isinstance(each, Secured):
                each.leave()
        super().pre_shutdown()

    def as_bytes(self, error: Exception) -> bytes:
        """The answer to an error as it is written, with the end of its connection."""
        return _as_bytes(self.name(error))

    def let_in(self, connection: Guest) -> bool:
        """Whether there is room for a connection, after others have left for it if need be."""
        most = self._patience.connections
        if len(self._open) >= most:
            self._make_room(max(1, most // ROOM_SHARE))
            if len(self._open) >= most:
                self.rare.write(f"all {most} connections are being answered; another is refused")
                return False
        self._open.add(connection)
        if not self._is_looking:
            self._is_looking = True
            self._loop.call_later(LOOK_EVERY_S, self._look)
        return True

    def left(self, connection: Guest) -> None:
        """Forget a connection."""
        self._open.discard(connection)

    def _make_room(self, count: int) -> None:
        waiting = [
            (since_s, id(each), each)
            for each in self._open
            if (since_s := each.waits_since_s) is not None
        ]
        for _, _, each in sorted(waiting)[:count]:
            self._open.discard(each)
            each.leave()

    def _look(self) -> None:
        now_s = self._loop.time()
        try:
            for each in list(self._open):
                each.look(now_s, self._patience)
            self._bodies.trim()
        finally:
            self._is_looking = bool(self._open) or self._bodies.is_grown
            if self._is_looking:
                self._loop.call_later(LOOK_EVERY_S, self._look)


def _as_bytes(answer: web.Response) -> bytes:
    """An answer that closes its connection, as it is written."""
    body = bytes(cast("bytes", answer.body))
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("ascii") + body
