"""Request bodies: how large one may be, how long it may take, and how much all may hold together.

A body is paid for before it is read, by what it announces; one that announces nothing pays as it
comes. What a body has paid is given back by the exchange, when its request is over.
"""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from mme.core.errors import EndpointError, InvalidRequest, Overloaded, PayloadTooLarge

READ_TIMEOUT_S = 60.0
"""A body that takes longer would keep its share of the budget from others."""


class ExpectationFailed(EndpointError):
    """A header `Expect` with something other than `100-continue`."""


class BodyBudget:
    """The bytes that the bodies of all requests under way may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    def take(self, count: int) -> None:
        """Hold `count` bytes more. Raises Overloaded."""
        if self.held_bytes + count > self.limit_bytes:
            raise Overloaded(self.limit_bytes)
        self.held_bytes += count

    def give_back(self, count: int) -> None:
        """Hold `count` bytes less."""
        self.held_bytes -= count


class Share:
    """What one request holds of the budget, and the body it holds it for."""

    __slots__ = ("_budget", "held_bytes")

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.held_bytes = 0

    def give_back(self) -> None:
        """Return all of it; harmless if nothing is held."""
        self._budget.give_back(self.held_bytes)
        self.held_bytes = 0

    async def read(self, request: web.BaseRequest, limit_bytes: int) -> bytes:
        """The whole body. Raises PayloadTooLarge, without reading on, Overloaded, InvalidRequest.

        ExpectationFailed too, if the client waits for a word that is not known here.
        """
        announced_bytes = request.content_length or 0
        if announced_bytes > limit_bytes:
            raise PayloadTooLarge(limit_bytes)
        self._grow_to(announced_bytes)
        content = request.content
        try:
            if content.is_eof():
                # It came in one piece with the head, as most do: no deadline is needed.
                body = content.read_nowait()
                if content.at_eof():
                    self._check(len(body), limit_bytes)
                    return body
                return body + await self._rest(request, limit_bytes, len(body))
            if hdrs.EXPECT in request.headers:
                await _encourage(request)
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._rest(request, limit_bytes)
        except TimeoutError:
            reason = f"The request body did not come within {READ_TIMEOUT_S:g} s"
            raise InvalidRequest(reason) from None
        except (web.RequestPayloadError, ConnectionError) as error:
            raise InvalidRequest(f"The request body cannot be read: {error}") from error

    async def _rest(self, request: web.BaseRequest, limit_bytes: int, size: int = 0) -> bytes:
        chunks: list[bytes] = []
        while chunk := await request.content.readany():
            size += len(chunk)
            self._check(size, limit_bytes)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _check(self, size: int, limit_bytes: int) -> None:
        if size > limit_bytes:
            raise PayloadTooLarge(limit_bytes)
        self._grow_to(size)  # a packed body, or one of no announced length, is larger than paid for

    def _grow_to(self, size: int) -> None:
        if size > self.held_bytes:
            self._budget.take(size - self.held_bytes)
            self.held_bytes = size


async def _encourage(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to send its body."""
    if request.version < HttpVersion11:
        return
    expected = request.headers[hdrs.EXPECT]
    if expected.lower() != "100-continue":
        raise ExpectationFailed(f"Expect: {expected[:100]!r} is not known here")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # of the answer, nothing has been sent yet
