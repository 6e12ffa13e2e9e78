"""What is noted of every request: an id of its own, and one line when it is over."""

from __future__ import annotations

import itertools
import logging
import secrets
import uuid
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from mme.core.log import LineWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)
lines = LineWriter(__name__)
http_log = logging.getLogger("mme.gateway.http")
"""For what aiohttp has to say."""

QUIET_PATHS = frozenset({"/ping"})
LONGEST_NOTE_CHARS = 500
CLIENT_GONE = 499
"""What stands in the log as the status of a request whose client did not wait; none is sent."""
COUNTER_BITS = 48


class NoTraces(logging.Filter):
    """Bytes that are no HTTP are worth a line at most, not the trace of a failure of ours.

    So is the rest of a body that cannot be unpacked, which has been answered already.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether aiohttp may log this itself."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            log.debug("a request that is no HTTP: %s", one_line(error.message))
            return False
        return not isinstance(error, web.RequestPayloadError)


def request_ids() -> Iterator[str]:
    """Ids in the form of a UUID: random for each process, then counted, which is far cheaper."""
    fixed = str(uuid.uuid4())[:24]
    first = secrets.randbits(COUNTER_BITS)
    for number in itertools.count(first):
        yield f"{fixed}{number & 0xFFFFFFFFFFFF:012x}"


http_log.addFilter(NoTraces())


def note_access(
    method: str, path: str, status: int, duration_s: float, *, request_id: str, note: str
) -> None:
    """Log the end of a request."""
    line = (
        f"{method} {one_line(path)} {status} {duration_s * 1000:.1f} ms {request_id}"
        f" {one_line(note)}"
    )
    if path in QUIET_PATHS:
        log.debug("%s", line)
    else:
        lines.write(line)


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, and not too long."""
    if len(text) > LONGEST_NOTE_CHARS:
        text = text[:LONGEST_NOTE_CHARS] + "…"
    return text if text.isprintable() else repr(text)[1:-1]
