"""Bars that lie, one below the other: a name, a length, and the number in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.training.plots.scales import Scale, is_drawable, is_range
from mme.training.plots.svg import WIDTH, drawing, element, escaped, fitted, label

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BARS = 40
ROW_PX, BAR_PX = 20, 12
NUMBER_PX = 62
"""The room for the number at the end of a bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; from `low` to `high` is where its true length probably lies."""

    name: str
    value: float
    shown: str
    """The number as it is to be written."""
    low: float | None = None
    high: float | None = None


def bars(title: str, rows: Sequence[Bar], *, names_px: float = 120, full: float = 0) -> str:
    """The first `MAX_BARS` bars of `rows`, from 0 to the greatest value, or to `full` if more."""
    drawn = [row for row in rows if is_drawable(row.value)][:MAX_BARS]
    if not drawn:
        return ""
    ends = [*(row.high for row in drawn if row.high is not None and is_drawable(row.high))]
    longest = max(full, *(row.value for row in drawn), *ends, 0.0)
    scale = Scale(0, longest if is_range(0, longest) else 1.0, names_px, WIDTH - NUMBER_PX)
    parts: list[str] = []
    for number, row in enumerate(drawn):
        parts.append(_row(row, number * ROW_PX, names_px, scale(row.value)))
        if row.low is not None and row.high is not None and is_drawable(row.low + row.high):
            parts += _interval(scale(row.low), scale(row.high), number * ROW_PX + ROW_PX / 2)
    told = "; ".join(f"{row.name}: {row.shown}" for row in drawn)
    return drawing(title, told, len(drawn) * ROW_PX, parts)


def _row(row: Bar, y: float, names_px: float, end: float) -> str:
    middle = y + ROW_PX / 2 + 4
    parts = [
        element("title", escaped(f"{row.name}: {row.shown}") or "bar"),
        label(names_px - 8, middle, fitted(row.name, names_px - 8), anchor="end"),
        element(
            "rect", x=names_px, y=y + (ROW_PX - BAR_PX) / 2, width=max(end - names_px, 1.0),
            height=BAR_PX, rx=2, class_="bar",
        ),
        label(WIDTH, middle, fitted(row.shown, NUMBER_PX), "number", "end"),
    ]  # fmt: skip
    return element("g", "".join(parts))


def _interval(low: float, high: float, y: float) -> list[str]:
    """A line with ends, and a wider one below it that sets it off from the bar."""
    path = "".join(f"M{x:.1f} {y - 4:g}v8" for x in (low, high)) + f"M{low:.1f} {y:g}H{high:.1f}"
    return [element("path", d=path, class_=kind) for kind in ("halo", "interval")]
