"""The answer to an invocation, written in one piece.

aiohttp prepares an answer in steps that most answers do not need, which is a sixth of the time a
request takes here. An answer that is small, for a connection that is kept and is not behind with
its reading, goes to the transport at once; any other one is left to aiohttp.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import HttpVersion11

if TYPE_CHECKING:
    from asyncio import Transport

    from aiohttp.abc import AbstractStreamWriter
    from multidict import CIMultiDict

    from mme.core.answer import Answer

SMALL_BYTES = 65536
SUCCESS = range(200, 300)
WITH_BODY = frozenset({*range(200, 600)} - {204, 205, 304})


def is_success(answer: Answer) -> bool:
    """Whether a model's answer can be passed on as one: no redirect, no body where none may be."""
    return answer.status in SUCCESS and (answer.status in WITH_BODY or not answer.body)


class Reply(web.Response):
    """A response with a body of bytes; header values must hold no control characters."""

    def __init__(self, status: int, headers: CIMultiDict[str], body: bytes) -> None:
        super().__init__(status=status, headers=headers, body=body)
        self._bytes = body
        self._is_written = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the head, and the body too if that is all there is to do."""
        transport = request.transport
        if transport is None or not self._suits(request, transport):
            return await super().prepare(request)
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"Content-Length: {len(self._bytes)}\r\nDate: {_date.now()}\r\n\r\n")
        head = "\r\n".join(lines).encode()
        transport.write(head + self._bytes)
        self._is_written = True
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Write what is left."""
        if not self._is_written:
            await super().write_eof(data)

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays; None before that is decided."""
        return True if self._is_written else super().keep_alive

    def _suits(self, request: web.BaseRequest, transport: Transport) -> bool:
        """Whether the answer can be written in one piece."""
        return (
            request.version == HttpVersion11
            and request.keep_alive
            and request.method == "POST"
            and self.status in WITH_BODY
            and len(self._bytes) <= SMALL_BYTES
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )


class _Date:
    """The header `Date`, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._text = formatdate(second, usegmt=True)
            self._second = second
        return self._text


_date = _Date()
