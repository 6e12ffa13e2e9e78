"""A call as a request that an exchange takes: what aiohttp's says of it, as far as is asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from aiohttp import HttpVersion11, web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from mme.gateway.headers import INFERENCE_ID
from mme.gateway.open_inference.inference import HEADER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mme.core.errors import EndpointError
    from mme.gateway.bodies import Share

PASSED = frozenset({"authorization", "traceparent", "tracestate", INFERENCE_ID.lower()})
"""Metadata that are headers of the request."""


class Caller:
    """Who is at the other end, in place of aiohttp's connection."""

    ssl_context = sockname = transport = None

    def __init__(self, peer: str) -> None:
        """`peer` as gRPC has it: `ipv4:127.0.0.1:5000`, `ipv6:%5B::1%5D:5000`."""
        _, _, place = unquote(peer).partition(":")
        self.peername = (place.rpartition(":")[0].strip("[]"),)
        self.share: Share | None = None

    def holds(self, share: Share) -> None:
        """Keep what an answer holds until it is written."""
        self.share = share

    def give_back(self) -> None:
        """It is."""
        if self.share is not None:
            self.share.give_back()


class Body:
    """A body that is here, or an error in its place: whoever reads it hears of it."""

    def __init__(self, held: bytes | EndpointError) -> None:
        self._held = held

    def is_eof(self) -> bool:
        """All has come."""
        return True

    at_eof = is_eof

    def read_nowait(self) -> bytes:
        """All of it. Raises the error."""
        if isinstance(self._held, bytes):
            return self._held
        raise self._held


def request_of(
    method: str,
    path: str,
    metadata: Iterable[tuple[str, str | bytes]],
    content: tuple[bytes | EndpointError, int | None],
    caller: Caller,
) -> web.BaseRequest:
    """The request; `content` is its body, and how much of that is JSON if it is to be said."""
    body, json_bytes = content
    headers = CIMultiDict((name, str(value)) for name, value in metadata if name in PASSED)
    if json_bytes is not None:
        headers[HEADER_LENGTH] = str(json_bytes)
    given, url = CIMultiDictProxy(headers), URL.build(path=path, encoded=True)
    message = RawRequestMessage(
        method, path, HttpVersion11, given, (), False, None, False, False, url
    )
    task = cast("asyncio.Task[None]", asyncio.current_task())
    stand_in = cast("Any", caller)
    return web.BaseRequest(
        message, cast("Any", Body(body)), stand_in, stand_in, task, task.get_loop()
    )
