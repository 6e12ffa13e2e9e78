"""Which models have series of their own, and what is counted for all others together.

Those used most of late are named. A model's series begins when it comes to be named and stops when
it gives way to another; what it does meanwhile is the others'. So no count ever falls, and the
rates of all series together are the rate of all models. The event loop owns it.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mme.core.statistics import Statistics

OTHERS = "(others)"
"""In place of a target; no target has brackets at both ends and no dot."""
RANK_EVERY_S = 10.0
HALF_LIFE_S = 300.0
STAYS = 1.5
"""A named model gives way only to one that is used so many times as much."""
LEAST_SCORE = 1e-3
MOST_SEEN = 40_000
NONE = (0, 0, 0.0)


@dataclass(slots=True)
class Counts:
    """Of one model, or of several."""

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0

    def add(self, requests: int, errors: int, seconds: float) -> None:
        """So many more."""
        self.requests += requests
        self.errors += errors
        self.seconds += seconds


class NamedModels:
    """The choice, and the counts that follow from it."""

    def __init__(
        self,
        statistics: Statistics,
        most: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` is that of the statistics."""
        self._statistics = statistics
        self._most = most
        self._clock = clock
        self._named: set[str] = set()
        self._seen: dict[str, tuple[int, int, float]] = {}
        """What has been attributed of each target, to whichever series."""
        self._own: dict[str, Counts] = {}
        """The series of targets that are named, or have been."""
        self._others = Counts()
        self._scores: dict[str, float] = {}
        """Requests by target, older ones counting for less."""
        self._ranked_at: float | None = None
        self._looked_at = 0.0

    def counts(self) -> Iterator[tuple[str, Counts]]:
        """The counts of each named model, the one used most first, and of `OTHERS` at the end."""
        came = self._came()
        self._rank(came)
        named, own = self._named, self._own
        for target, requests, errors, seconds in came:
            counts = own.setdefault(target, Counts()) if target in named else self._others
            counts.add(requests, errors, seconds)
        for target in sorted(named, key=lambda target: -self._scores[target]):
            yield target, own.setdefault(target, Counts())
        yield OTHERS, self._others

    def _came(self) -> list[tuple[str, int, int, float]]:
        """What was counted since the last look: requests, errors and seconds by target."""
        came = []
        seen = self._seen
        # Once more those of the last second: more may have come in the moment of the last look.
        since, self._looked_at = self._looked_at - 1.0, self._clock()
        for each in self._statistics.used_since(since):
            now = (each.requests, each.errors, each.seconds)
            before = seen.get(each.target, NONE)
            if now[0] < before[0]:  # it had been forgotten and is counted anew
                before = NONE
            if now[0] != before[0]:
                new = (now[0] - before[0], now[1] - before[1], now[2] - before[2])
                came.append((each.target, *new))
                seen[each.target] = now
        return came

    def _rank(self, came: Sequence[tuple[str, int, int, float]]) -> None:
        """Choose who is named: now and then, and while there is a name to give."""
        now = self._clock()
        last = now if self._ranked_at is None else self._ranked_at
        is_due = abs(now - last) >= RANK_EVERY_S or len(self._named) < self._most
        if is_due:
            self._ranked_at = now
            self._fade(0.5 ** (max(0.0, now - last) / HALF_LIFE_S))
        scores = self._scores
        for target, requests, _, _ in came:
            scores[target] = scores.get(target, 0.0) + requests
        if is_due:
            self._named = set(heapq.nlargest(self._most, scores, key=self._weight))
            self._forget()

    def _fade(self, share: float) -> None:
        """What was asked earlier counts for less."""
        self._scores = {
            target: score * share
            for target, score in self._scores.items()
            if score * share >= LEAST_SCORE or target in self._named
        }

    def _weight(self, target: str) -> float:
        return self._scores[target] * (STAYS if target in self._named else 1.0)

    def _forget(self) -> None:
        """Forget those that have not been used for long."""
        if len(self._seen) > MOST_SEEN:
            for target in [each for each in self._seen if each not in self._scores]:
                del self._seen[target]
                self._own.pop(target, None)
