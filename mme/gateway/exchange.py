"""One request and its answer, the same for every surface.

Names the request, finds its handler, makes an answer of whatever the handler raises, gives back
what its body held, and logs its end. What is answered is up to the surface: its routes and its
table of errors. An error ends here with all it went through: no frame of it is kept.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING, cast

from aiohttp import hdrs, web

from mme.core import log_format
from mme.core.errors import EndpointError, PayloadTooLarge
from mme.core.invocation_log import Asked, request_ids
from mme.core.request_ring import RING
from mme.gateway.access import CLIENT_GONE, note_access
from mme.gateway.bodies import BodyBudget, Share
from mme.gateway.connections import Door
from mme.gateway.errors import SERVER_NAME, NotHttp
from mme.gateway.headers import INFERENCE_ID, REQUEST_ID
from mme.gateway.routing import Router
from mme.gateway.tls import check_certificate
from mme.metrics.http_counts import HttpCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mme.gateway.connections import Connection, Patience
    from mme.gateway.errors import ErrorTable
    from mme.gateway.routing import Route

log = logging.getLogger(__name__)

HEADER_LIMIT_BYTES = 16384
"""A target may have 1,024 characters, four bytes each; custom attributes another 1,024."""
LARGE_BYTES = 65536
"""An answer above it may have to wait for its client, and counts while it does."""
MOST_CAUSES = 32
LINGER_S = 5.0
"""How long what is left of a body is read and dropped, so that its sender hears the answer."""


class Call:
    """One request under way, as handlers see it."""

    __slots__ = (
        "_read", "asked", "caller", "form", "name", "note", "request", "request_id", "share",
    )  # fmt: skip

    def __init__(self, request: web.BaseRequest, share: Share, request_id: str = "") -> None:
        self.request = request
        self.share = share
        self.request_id = request_id
        self.name = ""
        """The name in the path, decoded."""
        self.form = ""
        """The path of its route; "": there is none."""
        self.caller = ""
        """The name of whoever asks, where callers are known."""
        self._read: bytes | None = None
        self.asked: Asked | None = None
        """What is noted of an invocation."""
        self.note = ""
        """What else stands in the log beside the status: mostly, why it failed."""

    def asks(self, target: str) -> Asked:
        """It is an invocation of a model."""
        inference_id = self.request.headers.get(INFERENCE_ID, "")
        self.asked = asked = Asked(target, inference_id=inference_id)
        return asked

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body, however often. Raises PayloadTooLarge, Overloaded, InvalidRequest."""
        if self._read is None:
            self._read = await self.share.read(self.request, limit_bytes)
        elif len(self._read) > limit_bytes:
            raise PayloadTooLarge(limit_bytes)
        return self._read

    def sign(self, answer: web.StreamResponse) -> None:
        """Add the headers that every answer has; only a stream's handler need do it."""
        answer.headers[REQUEST_ID] = self.request_id
        answer.headers[hdrs.SERVER] = SERVER_NAME


class Exchange:
    """What a surface's requests go through. Safe for any number at a time on one event loop."""

    def __init__(
        self,
        routes: Iterable[Route],
        errors: ErrorTable,
        bodies: BodyBudget,
        *,
        guard: Callable[[Mapping[str, str]], None] | None = None,
        needs_certificate: bool = False,
        counts: HttpCounts | None = None,
        logs_payloads: bool = False,
        below: Mapping[str, ErrorTable] | None = None,
        way: str = "",
    ) -> None:
        """`guard` looks at the headers of each request before anything else does.

        With `needs_certificate` clients without one are answered about health only. `below` has
        the errors of paths that have a form of their own, by how these begin: `/v2`. `way` stands
        for the method where requests are counted and logged, if they came by none of HTTP's.
        """
        self._router = Router(routes)
        self._guard = guard
        self._needs_certificate = needs_certificate
        self._counts = HttpCounts() if counts is None else counts
        self._logs_payloads = logs_payloads
        self._errors = errors
        self._way = way
        self._below = dict(below or {})
        self.bodies = bodies
        """What all of it may hold together."""
        self._ids = request_ids()

    def server(self, patience: Patience) -> Door:
        """The server of this surface, for `web.ServerRunner`; to be made on its event loop."""
        return Door(
            self.answer,
            self._named,
            self.bodies,
            patience,
            max_field_size=HEADER_LIMIT_BYTES,
            lingering_time=LINGER_S,
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever happens."""
        began_s = perf_counter()
        request_id = next(self._ids)
        path = _path_of(request)
        call = Call(request, Share(self.bodies), request_id)
        if self._counts.on_begin is not None:
            self._counts.on_begin(request.headers, request_id)
        status = CLIENT_GONE
        try:
            answer = await self._answer(call, path, request_id)
            status = answer.status
            if isinstance(answer, web.Response):  # a stream has been written already
                call.sign(answer)
                body = answer.body
                if isinstance(body, bytes) and len(body) > LARGE_BYTES:
                    self._count(request, len(body))
            return answer
        finally:
            call.share.give_back()
            duration_s = perf_counter() - began_s
            method = self._way or request.method
            self._counts.ended(method, call.form, status, duration_s)
            if call.asked is not None:
                RING.add(call.asked, status, duration_s)
            note_access(
                method, path, status, duration_s,
                request_id=request_id, asked=call.asked, note=call.note, caller=call.caller,
            )  # fmt: skip

    def _count(self, request: web.BaseRequest, size: int) -> None:
        """Have an answer counted until it is written."""
        share = Share(self.bodies)
        share.hold(size)
        cast("Connection", request.protocol).holds(share)

    def _named(self, error: Exception) -> web.Response:
        """The answer to what did not become a request."""
        answer = self._errors.answer(error)
        answer.headers[REQUEST_ID] = next(self._ids)
        answer.headers[hdrs.SERVER] = SERVER_NAME
        return answer

    async def _answer(self, call: Call, path: str, request_id: str) -> web.StreamResponse:
        try:
            _check_version(call.request)
            if self._needs_certificate:
                check_certificate(call.request, path)
            if self._guard is not None:
                self._guard(call.request.headers)
            handler, call.name, call.form = self._router.find(call.request.method, path)
            return await handler(call)
        except asyncio.CancelledError as error:
            call.note = "the client did not wait, or the endpoint stops"
            _let_go(error)
            raise
        except EndpointError as error:
            call.note = error.message if self._logs_payloads else error.for_log
            if call.asked is not None:
                call.asked.failed(error)
            _let_go(error)
            return self._errors_at(path).answer(error)
        except Exception as error:
            if isinstance(error, ConnectionError) and _has_gone(call.request):
                call.note = "the client left while it was answered"
                _let_go(error)
                raise
            log.exception(
                "request %s failed", request_id, extra={log_format.REQUEST_ID: request_id}
            )
            _let_go(error)
            return self._errors_at(path).answer(error)

    def _errors_at(self, path: str) -> ErrorTable:
        for root, errors in self._below.items():
            if path == root or path.startswith(f"{root}/"):
                return errors
        return self._errors


def _check_version(request: web.BaseRequest) -> None:
    """Raise NotHttp for what the parser lets through, and no client of ours speaks."""
    if request.version.major != 1:
        raise NotHttp("its version is neither 1.0 nor 1.1")


def _has_gone(request: web.BaseRequest) -> bool:
    transport = request.transport
    return transport is None or transport.is_closing()


def _let_go(error: BaseException | None) -> None:
    """Free an error, and those it came from, of the frames they went through.

    The frames hold bodies, and often the error itself: both would stay until the next collection.
    """
    for _ in range(MOST_CAUSES):  # they may go round in a circle
        if error is None:
            return
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _path_of(request: web.BaseRequest) -> str:
    """The path as it was sent, without its query."""
    target = request.raw_path
    if target.startswith("/"):
        return target.partition("?")[0] if "?" in target else target
    return request.rel_url.raw_path  # `GET http://host/path`, as proxies are asked
