"""One request and its answer, the same for every surface.

Names the request, finds its handler, makes an answer of whatever the handler raises, gives back
what its body held, and logs its end. What is answered is up to the surface: its routes and its
table of errors.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web

from mme.core.errors import EndpointError
from mme.gateway.access import CLIENT_GONE, http_log, note_access, request_ids
from mme.gateway.bodies import BodyBudget, Share
from mme.gateway.headers import REQUEST_ID
from mme.gateway.routing import Router

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mme.gateway.errors import ErrorTable
    from mme.gateway.routing import Route

log = logging.getLogger(__name__)

HEADER_LIMIT_BYTES = 16384
"""A target may have 1,024 characters, four bytes each; custom attributes another 1,024."""


class Call:
    """One request under way, as handlers see it."""

    __slots__ = ("name", "note", "request", "share")

    def __init__(self, request: web.BaseRequest, share: Share) -> None:
        self.request = request
        self.share = share
        self.name = ""
        """The name in the path, decoded."""
        self.note = ""
        """What stands in the log beside the status."""

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body. Raises PayloadTooLarge, Overloaded, InvalidRequest."""
        return await self.share.read(self.request, limit_bytes)


class Exchange:
    """What a surface's requests go through. Safe for any number at a time on one event loop."""

    def __init__(self, routes: Iterable[Route], errors: ErrorTable, bodies: BodyBudget) -> None:
        self._router = Router(routes)
        self._errors = errors
        self._bodies = bodies
        self._ids = request_ids()

    def server(self) -> web.Server:
        """The server of this surface, for `web.ServerRunner`; to be made on its event loop."""
        return web.Server(
            self.answer,
            handler_cancellation=True,  # a client that has gone holds no worker
            access_log=None,
            logger=http_log,
            max_field_size=HEADER_LIMIT_BYTES,
        )

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one request, whatever happens."""
        began_s = perf_counter()
        request_id = next(self._ids)
        path = _path_of(request)
        call = Call(request, Share(self._bodies))
        status = CLIENT_GONE
        try:
            answer = await self._answer(call, path, request_id)
            answer.headers[REQUEST_ID] = request_id
            status = answer.status
            return answer
        finally:
            call.share.give_back()
            duration_s = perf_counter() - began_s
            note_access(
                request.method, path, status, duration_s, request_id=request_id, note=call.note
            )

    async def _answer(self, call: Call, path: str, request_id: str) -> web.Response:
        try:
            handler, call.name = self._router.find(call.request.method, path)
            return await handler(call)
        except asyncio.CancelledError:
            call.note = "the client did not wait, or the endpoint stops"
            raise
        except EndpointError as error:
            call.note = error.message
            return self._errors.answer(error)
        except Exception as error:
            log.exception("request %s failed", request_id)
            return self._errors.answer(error)


def _path_of(request: web.BaseRequest) -> str:
    """The path as it was sent, without its query."""
    target = request.raw_path
    if target.startswith("/"):
        return target.partition("?")[0] if "?" in target else target
    return request.rel_url.raw_path  # `GET http://host/path`, as proxies are asked
