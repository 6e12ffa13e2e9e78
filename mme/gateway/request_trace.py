"""The last invocations as a trace: what `mme plan` replays, as CSV or as lines of JSON.

Of each: when it came, its model, how warm that was, where the time went. No body, no caller.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast

from aiohttp import hdrs, web

from mme.core.errors import InvalidRequest
from mme.core.request_ring import RING
from mme.gateway.openapi import Parameter, Result, described
from mme.gateway.openapi.schemas import TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.core.request_ring import Invocation, RequestRing
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

COLUMNS = (
    "at", "target_model", "status", "outcome", "together",
    "fetch_ms", "queue_ms", "load_ms", "model_ms", "total_ms",
)  # fmt: skip
MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
STEP = 500
"""Rows between two turns of the event loop: some milliseconds of work."""
WRITE_S = 30.0
MOST_DIGITS = 9
SHOWN_CHARS = 40
Form = Literal["csv", "jsonl"]


class RequestTrace:
    """Handler of the route."""

    def __init__(self, ring: RequestRing = RING) -> None:
        self._ring = ring

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [("GET", "/trace", self.trace)]

    @described(
        Result(
            "Invocations in the order they were over; a row of CSV, or a line of JSON, for each.",
            TEXT,
            ("text/csv", "application/x-ndjson"),
        ),
        parameters=(
            Parameter(
                "last",
                "Only so many, the last ones; without it all that are kept.",
                {"type": "integer", "minimum": 1},
            ),
            Parameter("format", "`csv`, which it is without it, or `jsonl`."),
        ),
        tag="seeing",
    )
    async def trace(self, call: Call) -> web.StreamResponse:
        """The last invocations, for planning: times, models and durations."""
        query = call.request.query
        form, last = _form_in(query.get("format", "csv")), _last_in(query.get("last"))
        answer = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: MEDIA[form], hdrs.CACHE_CONTROL: "no-store"}
        )
        call.sign(answer)
        await answer.prepare(call.request)
        if call.request.method == hdrs.METH_HEAD:
            return answer
        begin, end = self._ring.span(last)
        text = ",".join(COLUMNS) + "\n" if form == "csv" else ""
        for start in range(begin, end, STEP):
            text += written(self._ring.rows(start, min(start + STEP, end)), form)
            async with asyncio.timeout(WRITE_S):
                await answer.write(text.encode("utf-8", "backslashreplace"))
            await asyncio.sleep(0)
            text = ""
        await answer.write(text.encode())
        return answer


def written(rows: Sequence[Invocation], form: Form) -> str:
    """Rows as text."""
    values = [
        (
            datetime.fromtimestamp(row.at_s, UTC).isoformat(timespec="microseconds"),
            row.target, row.status, row.outcome, row.together,
            *(round(1000 * each, 3) for each in row[5:]),
        )
        for row in rows
    ]  # fmt: skip
    if form == "jsonl":
        return "".join(
            json.dumps(dict(zip(COLUMNS, each, strict=True)), ensure_ascii=False) + "\n"
            for each in values
        )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(values)
    return text.getvalue()


def _form_in(text: str) -> Form:
    if text not in MEDIA:
        raise InvalidRequest(f"format={text[:SHOWN_CHARS]!r} is none of {', '.join(MEDIA)}")
    return cast("Form", text)


def _last_in(text: str | None) -> int | None:
    if text is None:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    if not is_number or not int(text):
        raise InvalidRequest(f"last={text[:SHOWN_CHARS]!r} is no number of invocations above 0")
    return int(text)
