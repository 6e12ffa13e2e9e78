"""Lines: how numbers change with another one, such as a loss with epochs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from mme.training.plots.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, Axes
from mme.training.plots.scales import Scale, is_drawable, scale_of, tick_text
from mme.training.plots.svg import drawing, element, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Point = tuple[float, float]

MAX_POINTS = 500
"""Of a longer line so many points at equal distances are drawn."""
MAX_SERIES = 4


@dataclass(frozen=True, slots=True)
class Series:
    """One line, through its points in their order; it is broken where one has no place."""

    name: str
    points: Sequence[Point]
    has_dots: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A thin line at one height, to compare with."""

    name: str
    y: float


def lines(
    title: str,
    series: Sequence[Series],
    names: tuple[str, str],
    *,
    unit_square: bool = False,
    level: Level | None = None,
    diagonal: bool = False,
) -> str:
    """Up to `MAX_SERIES` lines; `names` are those of the axes.

    `unit_square`: both axes go from 0 to 1, whatever the numbers; `diagonal`: with a line from
    corner to corner.
    """
    runs = [list(_runs(_thinned(one.points))) for one in series[:MAX_SERIES]]
    points = [*chain.from_iterable(chain.from_iterable(runs))]
    if not points:
        return ""
    if unit_square:
        axes = Axes(Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP), *names)
    else:
        heights = [y for _, y in points] + ([level.y] if level else [])
        axes = Axes(
            scale_of([x for x, _ in points], LEFT, RIGHT), scale_of(heights, BOTTOM, TOP), *names
        )
    parts = axes.frame([one.name for one in series[:MAX_SERIES]])
    if diagonal:
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=TOP, class_="level"))
    if level:
        parts += _level(level, axes)
    for number, (one, of_one) in enumerate(zip(series, runs, strict=False)):
        parts += [_path(run, axes, number, has_dots=one.has_dots) for run in of_one]
    return drawing(title, _told(series[:MAX_SERIES], names), HEIGHT, parts)


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    if len(points) <= MAX_POINTS:
        return points
    last = len(points) - 1
    return [points[number * last // (MAX_POINTS - 1)] for number in range(MAX_POINTS)]


def _runs(points: Sequence[Point]) -> Iterator[list[Point]]:
    """The points that have a place, a list for each stretch without a break."""
    run: list[Point] = []
    for x, y in points:
        if is_drawable(x) and is_drawable(y):
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _path(run: Sequence[Point], axes: Axes, number: int, *, has_dots: bool) -> str:
    places = [(axes.x(x), axes.y(y)) for x, y in run]
    dots = [
        element("circle", cx=x, cy=y, r=3, class_=f"dot kind-{number}")
        for x, y in (places if has_dots or len(places) == 1 else ())
    ]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return element("path", d=path, class_=f"line kind-{number}") + "".join(dots)


def _level(level: Level, axes: Axes) -> list[str]:
    y = axes.y(level.y)
    return [
        element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="level"),
        label(RIGHT, y + (14 if y < TOP + 20 else -5), level.name, "axis", "end"),
    ]


def _told(series: Sequence[Series], names: tuple[str, str]) -> str:
    """The lines in words: where each begins and ends."""
    told = []
    for one in series:
        points = [point for point in one.points if all(map(is_drawable, point))]
        if points:
            (x, y), (last_x, last_y) = points[0], points[-1]
            told.append(
                f"{one.name}: {tick_text(y)} at {names[0]} {tick_text(x)},"
                f" {tick_text(last_y)} at {tick_text(last_x)}"
            )
    return f"{names[1]} by {names[0]}. " + "; ".join(told)
