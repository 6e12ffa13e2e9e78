"""The last lines of the log, by model, request and level: at once, or as they come.

All of it is on stderr; what is kept here are some thousand lines (`mme.core.log_ring`).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mme.core.errors import InvalidRequest
from mme.core.log_format import level_name
from mme.core.log_ring import RING
from mme.gateway import server_sent
from mme.gateway.errors import json_answer
from mme.gateway.openapi import Parameter, Result, described
from mme.gateway.openapi.schemas import COUNT, TEXT, TIME, array_of, thing
from mme.gateway.paging import limit_of
from mme.gateway.views_json import iso

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from mme.core.log_format import Line
    from mme.core.log_ring import LogRing
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MOST_IN_FRAME = 1_000
MOST_FRAME_CHARS = 256 * 1024
"""Of the texts of one frame: it is kept until its client has read it."""
LINE = {
    "id": COUNT,
    "at": TIME,
    "level": TEXT,
    "logger": TEXT,
    "message": TEXT,
    "target_model": TEXT,
    "request_id": TEXT,
    "trace": TEXT,
}
MAYBE = ("target_model", "request_id", "trace")
"""Not known of every line."""
LINES = thing({"lines": array_of(thing(LINE, *MAYBE)), "last_id": COUNT})


class Logs:
    """Handler of the route."""

    def __init__(self, ring: LogRing = RING) -> None:
        self._ring = ring

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [("GET", "/logs", self.logs)]

    @described(
        Result("Lines, oldest first; as a stream to those who accept one.", LINES),
        parameters=(
            Parameter("after", "Only those after the line of this id.", {"type": "integer"}),
            Parameter("limit", "How many.", {"type": "integer", "minimum": 1, "maximum": 1000}),
            Parameter("target", "Only those about this target model."),
            Parameter("request_id", "Only those of this request."),
            Parameter("level", f"Only those of this level or above: {', '.join(LEVELS)}."),
        ),
        tag="seeing",
    )
    async def logs(self, call: Call) -> web.StreamResponse:
        """The last lines, those after one, or a stream of them."""
        query, ring = call.request.query, self._ring
        target, request_id = query.get("target", ""), query.get("request_id", "")
        level = _level_in(query.get("level", ""))
        after = server_sent.last_id_of(call)
        if server_sent.is_wanted(call.request.headers):
            start = ring.last_id if after is None else after
            frames = self._frames(start, target, request_id, level)
            return await server_sent.stream(call, frames)
        limit, last_id = limit_of(query.get("limit")), ring.last_id
        found = (
            ring.latest(target=target, request_id=request_id, level=level, limit=limit)
            if after is None
            else ring.after(after, target=target, request_id=request_id, level=level, limit=limit)
        )
        return json_answer(
            {
                "lines": [line_json(line) for line in found],
                "last_id": found[-1].id if len(found) == limit else last_id,
            }
        )

    async def _frames(
        self, after: int, target: str, request_id: str, level: int
    ) -> AsyncIterator[bytes]:
        """Frames as lines come, at most two a second."""
        while True:
            last_id = self._ring.last_id
            found = self._ring.after(
                after, target=target, request_id=request_id, level=level, limit=MOST_IN_FRAME
            )
            told = _first_chars(found)
            is_all = len(told) == len(found) < MOST_IN_FRAME
            after = max(after, last_id) if is_all else told[-1].id
            if told:
                lines = [line_json(line) for line in told]
                yield server_sent.frame("lines", lines, told[-1].id)
            await asyncio.sleep(server_sent.PAUSE_S)


def _first_chars(lines: list[Line]) -> list[Line]:
    """The first lines, as many as a frame may have; one at least, if there are any."""
    chars = 0
    for count, line in enumerate(lines):
        chars += len(line.message) + len(line.trace)
        if chars > MOST_FRAME_CHARS and count:
            return lines[:count]
    return lines


def line_json(line: Line) -> dict[str, object]:
    """One line; what is not known is left out."""
    content: dict[str, object] = {
        "id": line.id,
        "at": iso(line.at),
        "level": level_name(line.level),
        "logger": line.logger,
        "message": line.message,
        "target_model": line.target,
        "request_id": line.request_id,
        "trace": line.trace,
    }
    return {key: value for key, value in content.items() if value or key not in MAYBE}


def _level_in(text: str) -> int:
    """The least level that is wanted. Raises InvalidRequest."""
    if not text:
        return logging.NOTSET
    if text.upper() not in LEVELS:
        raise InvalidRequest(f"level={text[:40]!r} is none of {', '.join(LEVELS)}")
    return logging.getLevelNamesMapping()[text.upper()]
