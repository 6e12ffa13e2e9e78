"""Counts of invocations: in all, by how warm the model was and what came of it, and by target.

One invocation is one call of the engine, whichever way it came: real time, asynchronous, batch.
What is kept of each target is bounded, and so is the number of targets. The event loop owns it.
"""

from __future__ import annotations

import itertools
import time
from array import array
from bisect import bisect_left
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mme.core.timing import Timing

Outcome = Literal["warm", "cold", "first"]
"""The model was in memory; on this disk only; not even there."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
LEFT = "left"
"""What came of a request whose caller did not wait."""
BOUNDS_S = (
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0,
    16.0, 32.0, 64.0,
)  # fmt: skip
"""Upper ends of the classes of latencies; above the last one is one more."""
MOST_TARGETS = 20_000
RECENT = 128
"""So many latencies are kept of each target, and eight times as many of all together."""
RATE_S = 10
FIRST_ERROR_CLASS = 4


@dataclass(eq=False, slots=True)
class Latencies:
    """The last ones, in seconds."""

    most: int = RECENT
    _values: array[float] = field(default_factory=lambda: array("f"))
    _next: int = 0

    def add(self, seconds: float) -> None:
        """One more."""
        if len(self._values) < self.most:
            self._values.append(seconds)
        else:
            self._values[self._next] = seconds
            self._next = (self._next + 1) % self.most

    def quantiles(self, *shares: float) -> Sequence[float | None]:
        """The latencies that `shares` of them do not exceed; None: there are none."""
        if not self._values:
            return [None for _ in shares]
        in_order = sorted(self._values)
        last = len(in_order) - 1
        return [in_order[min(last, int(share * len(in_order)))] for share in shares]


@dataclass(eq=False, slots=True)
class TargetStatistics:
    """Of one target."""

    target: str
    requests: int = 0
    errors: int = 0
    """Requests that the model answered with 4xx or 5xx, or not at all."""
    seconds: float = 0.0
    queue_s: float = 0.0
    model_s: float = 0.0
    """Of those that the model answered, however."""
    executions: float = 0.0
    """How often it computed for those it answered well: several may be computed at once."""
    last_at: float = 0.0
    """Wall clock, seconds."""
    latencies: Latencies = field(default_factory=Latencies)


@dataclass(eq=False, slots=True)
class Histogram:
    """Latencies by class: one count for each of `BOUNDS_S`, and one for those above."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    seconds: float = 0.0


class Statistics:
    """All invocations since the start."""

    def __init__(self, clock: Callable[[], float] = time.time, most: int = MOST_TARGETS) -> None:
        self._clock = clock
        self._most = most
        self._targets: OrderedDict[str, TargetStatistics] = OrderedDict()
        """In the order of their last use."""
        self._by_second: deque[list[int]] = deque(maxlen=RATE_S + 1)
        """Wall clock second and how many; the last one is not over."""
        self.began_at = clock()
        self.results: Counter[tuple[Outcome, str]] = Counter()
        """How many by outcome and result: "2xx" to "5xx", an error's name, or LEFT."""
        self.latencies = Latencies(RECENT * 8)
        self.histograms: dict[Outcome, Histogram] = {each: Histogram() for each in OUTCOMES}
        self.errors = 0

    @property
    def requests(self) -> int:
        """How many there have been."""
        return self.results.total()

    def answered(
        self,
        target: str,
        outcome: Outcome,
        status: int,
        seconds: float,
        timing: Timing | None = None,
    ) -> None:
        """The model has answered."""
        self._count(target, outcome, f"{status // 100}xx", seconds)
        if target and timing is not None:
            known = self._of(target)
            known.queue_s += timing.queue_s
            known.model_s += timing.model_s
            if status // 100 < FIRST_ERROR_CLASS:
                known.executions += 1 / timing.together
        if status // 100 >= FIRST_ERROR_CLASS:
            self._failed(target)

    def failed(
        self, target: str, outcome: Outcome, error: str, seconds: float, *, is_known: bool
    ) -> None:
        """There was no answer; `error` names the kind. What is no target is not kept as one."""
        self._count(target if is_known else "", outcome, error, seconds)
        if error != LEFT:
            self._failed(target if is_known else "")

    def of(self, target: str) -> TargetStatistics | None:
        """One target's."""
        return self._targets.get(target)

    def used_since(self, wall_s: float) -> Iterator[TargetStatistics]:
        """The targets that requests ended for since then, the last one first."""
        return itertools.takewhile(
            lambda each: each.last_at >= wall_s, reversed(self._targets.values())
        )

    def per_s(self) -> float:
        """How many requests a second have ended lately."""
        second = int(self._clock())
        whole = [count for at, count in self._by_second if second - RATE_S <= at < second]
        return sum(whole) / max(1, min(RATE_S, second - int(self.began_at)))

    def _count(self, target: str, outcome: Outcome, result: str, seconds: float) -> None:
        self.results[outcome, result] += 1
        histogram = self.histograms[outcome]
        histogram.counts[bisect_left(BOUNDS_S, seconds)] += 1
        histogram.seconds += seconds
        self.latencies.add(seconds)
        now_s = self._clock()
        second = int(now_s)
        if self._by_second and self._by_second[-1][0] == second:
            self._by_second[-1][1] += 1
        else:
            self._by_second.append([second, 1])
        if target:
            known = self._of(target)
            known.requests += 1
            known.seconds += seconds
            known.last_at = now_s
            known.latencies.add(seconds)

    def _of(self, target: str) -> TargetStatistics:
        known = self._targets.get(target)
        if known is None:
            known = self._targets[target] = TargetStatistics(target)
            if len(self._targets) > self._most:
                self._targets.popitem(last=False)
        else:
            self._targets.move_to_end(target)
        return known

    def _failed(self, target: str) -> None:
        self.errors += 1
        known = self._targets.get(target)
        if known is not None:
            known.errors += 1
