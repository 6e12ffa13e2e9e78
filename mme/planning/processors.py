"""The cores of a simulated machine, and its clock: work that ends, and things due at a time.

Whatever is to be computed shares the cores evenly, as the kernel's scheduler has it: with more to
do than there are cores, all of it slows down alike (processor sharing). Kept as a virtual clock
that runs at that common pace, so that starting or ending something costs the same for any number.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Action = Callable[[], None]


class Processors:
    """Work and timers, done in the order of their times; what was begun first goes first."""

    def __init__(self, cores: float) -> None:
        """`cores` may be `math.inf`: nothing slows anything down."""
        self._cores = cores
        self._works: list[tuple[float, int, Action]] = []
        """By the virtual time of their ends."""
        self._timers: list[tuple[float, int, Action]] = []
        self._order = count()
        self._virtual_s = 0.0
        self.now_s = 0.0
        self.busy_s = 0.0

    def clock(self) -> float:
        """The simulated time."""
        return self.now_s

    def work(self, seconds: float, then: Action) -> None:
        """Something is computed that takes `seconds` of a core of its own."""
        self.busy_s += seconds
        heappush(self._works, (self._virtual_s + seconds, next(self._order), then))

    def at(self, at_s: float, then: Action) -> None:
        """Something is due at a time."""
        heappush(self._timers, (at_s, next(self._order), then))

    def run(self, until_s: float) -> None:
        """Do all that ends or is due up to then; the clock then stands there."""
        while self._next_s() <= until_s:
            self.step()
        self._advance(until_s)

    def step(self) -> None:
        """Do what is next; there must be something."""
        ends_s = self._next_end_s()
        if self._timers and self._timers[0][0] < ends_s:
            due_s, _, then = heappop(self._timers)
            self._advance(due_s)
        else:
            end_s, _, then = heappop(self._works)
            # Exactly its end: the pace's rounding does not add up.
            self.now_s, self._virtual_s = max(self.now_s, ends_s), end_s
        then()

    def _next_s(self) -> float:
        ends_s = self._next_end_s()
        return min(ends_s, self._timers[0][0]) if self._timers else ends_s

    def _pace(self) -> float:
        return min(1.0, self._cores / len(self._works)) if self._works else 1.0

    def _next_end_s(self) -> float:
        if not self._works:
            return math.inf
        if self._cores == math.inf:
            return self._works[0][0]
        return self.now_s + max(0.0, self._works[0][0] - self._virtual_s) / self._pace()

    def _advance(self, to_s: float) -> None:
        if to_s > self.now_s:
            elapsed_s = to_s - self.now_s
            self._virtual_s = (
                to_s if self._cores == math.inf else self._virtual_s + elapsed_s * self._pace()
            )
            self.now_s = to_s
