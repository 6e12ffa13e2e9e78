"""The last lines of the log, in memory, to be asked for by model, request and level.

Requests come by the thousand, so their lines are kept apart from all others, and so are warnings
and errors: what is rare is not pushed out by what is not. Any thread may add lines. The log itself,
which has all of them, is on stderr.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING

from mme.core.names import MAX_TARGET_CHARS, S3_SCHEME

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.log_format import Line

MOST = 4_000
"""So many are kept of each of the three: trouble, requests, others."""
MOST_CHARS = 4_000
"""Of a text; the rest is on stderr."""
MOST_TARGET_CHARS = MAX_TARGET_CHARS + len(S3_SCHEME)


class LogRing:
    """The last lines."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.time) -> None:
        self._trouble: deque[Line] = deque(maxlen=most)
        self._requests: deque[Line] = deque(maxlen=most)
        self._others: deque[Line] = deque(maxlen=most)
        # Later than all of an earlier start, if that had fewer than a thousand a second.
        self._ids = itertools.count(int(clock() * 1000))
        self.last_id = next(self._ids)
        """Of the last line, or a number below the first one's."""

    def add(self, line: Line) -> None:
        """Keep a line; it gets its id."""
        if line.level >= logging.WARNING:
            kept = self._trouble
        elif line.is_of_request:
            kept = self._requests
        else:
            kept = self._others
        if len(line.message) > MOST_CHARS:
            line.message = f"{line.message[:MOST_CHARS]}…"
        if len(line.trace) > MOST_CHARS:
            line.trace = f"…{line.trace[-MOST_CHARS:]}"
        if len(line.target) > MOST_TARGET_CHARS:  # no model's: a header may be far longer
            line.target = f"{line.target[:MOST_TARGET_CHARS]}…"
        line.members = None
        line.id = self.last_id = next(self._ids)
        kept.append(line)

    def after(
        self,
        line_id: int,
        *,
        target: str = "",
        request_id: str = "",
        level: int = 0,
        limit: int,
    ) -> list[Line]:
        """The first `limit` lines that came after one, oldest first."""
        return self._found(line_id, target, request_id, level)[:limit]

    def latest(
        self, *, target: str = "", request_id: str = "", level: int = 0, limit: int
    ) -> list[Line]:
        """The last `limit` lines, oldest first."""
        return self._found(0, target, request_id, level)[-limit:]

    def _found(self, line_id: int, target: str, request_id: str, level: int) -> list[Line]:
        found: list[Line] = []
        if line_id >= self.last_id:
            return found
        for kept in (self._trouble, self._requests, self._others):
            for each in reversed(list(kept)):  # copied at once: other threads add to it
                if each.id <= line_id:
                    break
                if (
                    each.level >= level
                    and (not target or each.target == target)
                    and (not request_id or each.request_id == request_id)
                ):
                    found.append(each)
        found.sort(key=attrgetter("id"))
        return found


RING = LogRing()
"""Of this process, as there is one log of it; `mme.core.log` fills it."""
