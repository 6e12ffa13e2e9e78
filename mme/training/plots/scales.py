"""From numbers to places on a plot, and the round numbers to write at its axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST = 1e15
"""A greater number is left out, as one that is not finite: its differences are not exact."""
LEAST_SPAN = 1e-3
_ROUND_STEPS = (1, 2, 2.5, 5, 10)
_MAX_TICKS = 12


def is_drawable(value: float) -> bool:
    """Whether a number has a place on a plot."""
    return math.isfinite(value) and abs(value) <= LARGEST


def is_range(low: float, high: float) -> bool:
    """Whether `high` is so far above `low` that numbers between them can be told apart."""
    return high - low > max(abs(low), abs(high), LEAST_SPAN) * 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """Takes `low` to the pixel `start` and `high` to `end`; what is outside, to the nearer end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers within the range, rising; some `about` of them."""
        step = round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        found = ((first + number) * step for number in range(_MAX_TICKS))
        within = [tick for tick in found if tick <= self.high + step * 1e-9]
        return [0.0 if abs(tick) < step * 1e-9 else tick for tick in within]


def scale_of(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale on which all of these finite values have a place; a single one is in the middle."""
    gathered = list(values) or [0.0]
    low, high = min(gathered), max(gathered)
    if not is_range(low, high):
        margin = abs(low) / 2 or 0.5
        low, high = low - margin, high + margin
    return Scale(low, high, start, end)


def round_step(least: float) -> float:
    """The least of 1, 2, 2.5 and 5 times a power of ten that is not below `least` (above 0)."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _ROUND_STEPS if step * power >= least * (1 - 1e-9))


def tick_text(tick: float) -> str:
    """A tick as it is written at an axis."""
    if tick and not 1e-3 <= abs(tick) < 1e6:  # noqa: PLR2004 - what fits in front of an axis
        return f"{tick:.3g}"
    return f"{tick:,.4f}".rstrip("0").rstrip(".")
