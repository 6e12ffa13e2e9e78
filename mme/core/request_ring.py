"""The last invocations, in memory: when, which model, how warm, where the time went. No more.

A row has 36 bytes, and its model's name is kept once, so hundreds of thousands cost little. Rows
are of whatever came to a model, or was refused for want of room; names nobody has are not kept. The
event loop owns it. `GET /trace` gives it out (`mme.gateway.request_trace`).
"""

from __future__ import annotations

import time
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from mme.core.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.invocation_log import Asked

ROW = Struct("<dIhBBfffff")
OUTCOMES = ("", "warm", "cold", "first")
CODES = {name: code for code, name in enumerate(OUTCOMES)}
REFUSED = frozenset({429, 503})
"""Statuses of requests there was no room for: they are part of what was asked."""
MOST_NAME_CHARS = 8 * 1024 * 1024
NOTHING = Timing()
MOST_TOGETHER = 255


class Invocation(NamedTuple):
    """One row."""

    at_s: float
    """When it came, in seconds since 1970."""
    target: str
    status: int
    outcome: str
    """How warm the model was; "": it did not come to one."""
    together: int
    fetch_s: float
    queue_s: float
    load_s: float
    model_s: float
    total_s: float


class RequestRing:
    """The last `most` rows; none before it is told to keep some."""

    def __init__(self, most: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.keep(most)

    def keep(self, most: int) -> None:
        """Begin anew with room for so many; 0: keep none."""
        self._most = most
        self._rows = bytearray(most * ROW.size)  # memory is taken as it is written to
        self._numbers: dict[str, int] = {}
        self._name_chars = 0
        self.count = 0
        """How many there have been."""

    def add(self, asked: Asked, status: int, total_s: float) -> None:
        """An invocation is over, which took so long."""
        if not self._most or not (asked.outcome or status in REFUSED):
            return
        name = asked.meant or asked.target
        number = self._numbers.get(name)
        if number is None:
            number = self._named(name)
        took = asked.timing or NOTHING
        ROW.pack_into(
            self._rows, self.count % self._most * ROW.size, self._clock() - total_s, number,
            status, CODES.get(asked.outcome, 0), min(took.together, MOST_TOGETHER),
            took.fetch_s, took.queue_s, took.load_s, took.model_s, total_s,
        )  # fmt: skip
        self.count += 1

    def span(self, last: int | None) -> tuple[int, int]:
        """The numbers of the `last` rows (None: of all that are kept), the end not included."""
        kept = min(self.count, self._most)
        return self.count - (kept if last is None else min(last, kept)), self.count

    def rows(self, begin: int, end: int) -> list[Invocation]:
        """Those of these numbers that are still there, in the order they were over."""
        begin = max(begin, self.count - self._most)
        names = list(self._numbers)
        found = []
        for number in range(begin, end):
            at_s, name, status, code, *took = ROW.unpack_from(
                self._rows, number % self._most * ROW.size
            )
            found.append(Invocation(at_s, names[name], status, OUTCOMES[code], *took))
        return found

    def _named(self, name: str) -> int:
        """The number of a name that has none; where there are too many, of those in use."""
        self._name_chars += len(name)
        if len(self._numbers) >= 2 * self._most or self._name_chars > MOST_NAME_CHARS:
            self._forget_names()
            self._name_chars = sum(map(len, self._numbers)) + len(name)
            if self._name_chars > MOST_NAME_CHARS // 2:
                self.keep(self._most)
        return self._numbers.setdefault(name, len(self._numbers))

    def _forget_names(self) -> None:
        names, used = list(self._numbers), dict[str, int]()
        for number in range(*self.span(None)):
            place = number % self._most * ROW.size
            at_s, name, *rest = ROW.unpack_from(self._rows, place)
            fresh = used.setdefault(names[name], len(used))
            ROW.pack_into(self._rows, place, at_s, fresh, *rest)
        self._numbers = used


RING = RequestRing()
"""Of this process."""
