"""Request bodies: how large one may be, how fast it must come, what all may hold together.

A body that would not fit is refused before anything of it is read. What one holds it pays for as it
comes, not by what it announces: to keep others out, one would have to send as much as it keeps. A
large answer counts too, until its client has read it.

What is held is given back by whoever answers, when the request is over. No failed read keeps bytes:
the frames it went through may live on in its error.
"""

from __future__ import annotations

import asyncio
import ctypes

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from mme.core.errors import EndpointError, InvalidRequest, Overloaded, PayloadTooLarge

READ_TIMEOUT_S = 60.0
"""A body that takes longer would keep its share of the budget from others."""
FIRST_TIMEOUT_S = 10.0
SLOWEST_BYTES_PER_S = 32 * 1024
"""A body has the first time for its start, and as much more as it takes at this rate."""
GROWN_BYTES = 64 * 1024 * 1024
"""What bodies have held at once before memory is given back to the system on purpose."""


class ExpectationFailed(EndpointError):
    """A header `Expect` with something other than `100-continue`."""


class BodyBudget:
    """The bytes that the bodies of all requests under way may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._most_bytes = 0

    def check(self, count: int) -> None:
        """Raise Overloaded if `count` bytes more would be too many now."""
        if self.held_bytes + count > self.limit_bytes:
            raise Overloaded(self.limit_bytes)

    def take(self, count: int) -> None:
        """Hold `count` bytes more, whether or not that is too many."""
        self.held_bytes += count
        self._most_bytes = max(self._most_bytes, self.held_bytes)

    def give_back(self, count: int) -> None:
        """Hold `count` bytes less."""
        self.held_bytes -= count

    @property
    def is_grown(self) -> bool:
        """Whether much was held that has not been given back to the system."""
        return self._most_bytes - self.held_bytes >= GROWN_BYTES

    def trim(self) -> None:
        """Give memory back to the system, if much was held a while ago: malloc would keep it."""
        if self.is_grown:
            # Of what is held still, the end is worth another look.
            self._most_bytes = self.held_bytes + GROWN_BYTES if self.held_bytes else 0
            _LIBC.malloc_trim(0)


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

    def hold(self, size: int) -> None:
        """Hold `size` bytes more that are there already, whether or not they are too many."""
        self._budget.take(size)
        self.held_bytes += size

    async def read(self, request: web.BaseRequest, limit_bytes: int) -> bytes:
        """The whole body. Raises PayloadTooLarge, without reading on, Overloaded, InvalidRequest.

        ExpectationFailed too, if the client waits for a word that is not known here.
        """
        if hdrs.EXPECT in request.headers:
            _check_expected(request)
        announced_bytes = request.content_length or 0
        if announced_bytes > limit_bytes:
            raise PayloadTooLarge(limit_bytes)
        self._budget.check(announced_bytes)
        content = request.content
        try:
            if content.is_eof():
                # It came in one piece with the head, as most do: no deadline is needed.
                body = content.read_nowait()
                if content.at_eof():
                    self._check(len(body), limit_bytes)
                    return body
                return await self._rest(request, limit_bytes, body)
            if hdrs.EXPECT in request.headers:
                await _encourage(request)
            return await self._rest(request, limit_bytes, b"")
        except TimeoutError:
            reason = (
                f"The request body did not come in time: it has {READ_TIMEOUT_S:g} s, and after"
                f" {FIRST_TIMEOUT_S:g} s must have come at {SLOWEST_BYTES_PER_S} bytes a second"
            )
            raise InvalidRequest(reason) from None
        except (web.RequestPayloadError, ConnectionError) as error:
            reason = str(error) or "the client has gone"
            raise InvalidRequest(f"The request body cannot be read: {reason}") from None

    async def _rest(self, request: web.BaseRequest, limit_bytes: int, begun: bytes) -> bytes:
        chunks = [begun] if begun else []
        size = len(begun)
        began_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(began_s + FIRST_TIMEOUT_S) as deadline:
                while chunk := await request.content.readany():
                    size += len(chunk)
                    self._check(size, limit_bytes)
                    chunks.append(chunk)
                    may_take_s = FIRST_TIMEOUT_S + size / SLOWEST_BYTES_PER_S
                    deadline.reschedule(began_s + min(READ_TIMEOUT_S, may_take_s))
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        finally:
            chunks.clear()
            chunk = b""

    def _check(self, size: int, limit_bytes: int) -> None:
        if size > limit_bytes:
            raise PayloadTooLarge(limit_bytes)
        self._grow_to(size)

    def _grow_to(self, size: int) -> None:
        if size > self.held_bytes:
            more = size - self.held_bytes
            self._budget.check(more)
            self._budget.take(more)
            self.held_bytes = size


def _check_expected(request: web.BaseRequest) -> None:
    expected = request.headers[hdrs.EXPECT]
    if request.version >= HttpVersion11 and expected.lower() != "100-continue":
        raise ExpectationFailed(f"Expect: {expected[:100]!r} is not known here")


async def _encourage(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to send its body."""
    if request.version < HttpVersion11:
        return
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # of the answer, nothing has been sent yet


_LIBC = ctypes.CDLL(None)
