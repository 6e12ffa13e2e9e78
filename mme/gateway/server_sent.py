"""Server-sent events: frames to a client that stays, as the HTML standard has them.

A client that does not read ends its stream: what it would have had to keep for it is asked for anew
by `Last-Event-ID`. There is room for some streams at a time, since each costs the endpoint work for
as long as it is open.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, cast

from aiohttp import hdrs, web

from mme.core.errors import EndpointError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from mme.gateway.connections import Connection
    from mme.gateway.exchange import Call

MEDIA = "text/event-stream"
LAST_ID = "Last-Event-ID"
BEAT_S = 15.0
"""A comment so often, so that proxies keep the connection and a client that is gone is noticed."""
BEAT = b": still here\n\n"
PAUSE_S = 0.5
"""Between two frames of one kind."""
WRITE_S = 30.0
"""A client that takes longer to read a frame is not there any more."""
MOST_ID_CHARS = 16
MOST = 64
"""So many streams at a time: a page has two, and many that ask for all that was would keep the
event loop from invocations and health."""
HEADERS = {
    "Content-Type": MEDIA,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class TooManyStreams(EndpointError):
    """There is no room for another stream."""

    def __init__(self) -> None:
        super().__init__(f"{MOST} streams are open, which are all there may be; try again")


class _Room:
    """How many streams are open in this process. The event loop owns it."""

    def __init__(self) -> None:
        self._count = 0

    def __enter__(self) -> None:
        if self._count >= MOST:
            raise TooManyStreams
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1


ROOM = _Room()


def is_wanted(headers: Mapping[str, str]) -> bool:
    """Whether a client asks for a stream."""
    return MEDIA in headers.get("Accept", "")


def frame(event: str, data: object, event_id: int | None = None) -> bytes:
    """One frame, its data as JSON."""
    id_line = "" if event_id is None else f"id: {event_id}\n"
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{id_line}event: {event}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")


def last_id_of(call: Call) -> int | None:
    """What a client has seen last: the header, else `after` of the query; None: it does not say.

    Raises InvalidRequest.
    """
    text = call.request.headers.get(LAST_ID) or call.request.query.get("after")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_ID_CHARS):
        raise InvalidRequest(f"{text[:40]!r} is no id of an event")
    return int(text)


async def stream(call: Call, frames: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send frames until there are none, the client is gone, or the endpoint stops.

    Returns what was sent. Raises TooManyStreams.
    """
    with ROOM:
        return await _stream(call, frames)


async def _stream(call: Call, frames: AsyncIterator[bytes]) -> web.StreamResponse:
    answer = web.StreamResponse(headers=HEADERS)
    call.sign(answer)
    await answer.prepare(call.request)
    if call.request.method == hdrs.METH_HEAD:
        return answer
    stop = asyncio.Event()
    cast("Connection", call.request.protocol).ends_with(stop)
    stopped = asyncio.ensure_future(stop.wait())
    next_frame: asyncio.Task[bytes] | None = None
    try:
        while True:
            next_frame = next_frame or asyncio.ensure_future(anext(frames, b""))
            done, _ = await asyncio.wait(
                {next_frame, stopped}, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if stopped in done:
                return answer
            content = BEAT
            if done:
                content, next_frame = next_frame.result(), None
                if not content:
                    return answer
            async with asyncio.timeout(WRITE_S):
                await answer.write(content)
    except (ConnectionError, TimeoutError):
        return answer
    finally:
        waiting = [stopped] if next_frame is None else [stopped, next_frame]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
