"""What a plan has to meet: bounds on hit ratio, cold share, refusals and latencies."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.planning.outcome import Outcome

FIGURES: Mapping[str, Callable[[Outcome], float]] = {
    "hit": lambda outcome: outcome.hit_ratio,
    "cold": lambda outcome: outcome.cold_share,
    "refused": lambda outcome: outcome.refused / outcome.requests if outcome.requests else 0.0,
    "busy": lambda outcome: outcome.utilization,
    "p50": lambda outcome: outcome.p50_s,
    "p99": lambda outcome: outcome.p99_s,
    "mean": lambda outcome: outcome.mean_s,
}
ROUNDING = 1e-9
TIMES = ("p50", "p99", "mean")
SHARE = "a share, as 0.95 or 95%"
SCALES = {"ms": 1e-3, "s": 1.0, "us": 1e-6, "%": 1e-2, "": 1.0}
BOUND = re.compile(r"\s*([a-z0-9]+)\s*(>=|<=)\s*(\d+(?:\.\d+)?|\.\d+)\s*(ms|us|s|%|)\s*")


class TargetError(ValueError):
    """What was written is no target."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One of them."""

    figure: str
    is_least: bool
    value: float

    def holds(self, outcome: Outcome) -> bool:
        """Whether it is kept."""
        found = FIGURES[self.figure](outcome)
        is_at = math.isclose(found, self.value, rel_tol=ROUNDING)
        return is_at or (found > self.value if self.is_least else found < self.value)


@dataclass(frozen=True, slots=True)
class Target:
    """All of them; refusing requests meets none unless a bound allows it."""

    bounds: tuple[Bound, ...]

    def met_by(self, outcome: Outcome) -> bool:
        """Whether an outcome keeps all bounds."""
        may_refuse = any(bound.figure == "refused" for bound in self.bounds)
        if outcome.refused and not may_refuse:
            return False
        return all(bound.holds(outcome) for bound in self.bounds)


def target_of(text: str) -> Target:
    """`hit>=0.99,p99<=200ms`. Raises TargetError."""
    return Target(tuple(map(_bound, text.split(","))))


def _bound(text: str) -> Bound:
    found = BOUND.fullmatch(text)
    if found is None or found[1] not in FIGURES:
        raise TargetError(
            f"{text.strip()!r}: write FIGURE>=NUMBER or <=, of {', '.join(FIGURES)},"
            " as hit>=0.99 or p99<=200ms"
        )
    figure, sign, number, unit = found.groups()
    value, is_time = float(number) * SCALES[unit], figure in TIMES
    if (unit in ("ms", "us", "s")) != is_time or (value > 1 and not is_time):
        raise TargetError(
            f"{text.strip()!r}: {figure} is {'a time, as 200ms' if is_time else SHARE}"
        )
    return Bound(figure, sign == ">=", value)
