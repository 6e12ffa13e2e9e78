"""Histograms of several kinds of things over the same range, to see how far they are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.training.plots.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, Axes
from mme.training.plots.scales import Scale, is_drawable, is_range
from mme.training.plots.svg import drawing, element

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_KINDS, MAX_BINS = 2, 200


@dataclass(frozen=True, slots=True)
class Kind:
    """How many things of one kind are in each bin; all kinds have as many bins."""

    name: str
    counts: Sequence[float]


def histograms(
    title: str, kinds: Sequence[Kind], span: tuple[float, float], names: tuple[str, str]
) -> str:
    """The shares of each kind in bins of equal width over `span`; empty bins at the ends are cut.

    `names` are those of the axes. The empty string unless all kinds have as many bins and one of
    them has something in it.
    """
    kinds = kinds[:MAX_KINDS]
    lowest, highest = span
    sizes = {len(kind.counts) for kind in kinds}
    if len(sizes) != 1 or not (is_drawable(lowest) and is_drawable(highest)):
        return ""
    n_bins = sizes.pop()
    shares = [_shares(kind.counts) for kind in kinds]
    filled = [n for n in range(n_bins) if any(share[n] for share in shares)]
    if not filled or n_bins > MAX_BINS or not is_range(lowest, highest):
        return ""
    width = (highest - lowest) / n_bins
    first, last = filled[0], filled[-1] + 1
    axes = Axes(
        Scale(lowest + first * width, lowest + last * width, LEFT, RIGHT),
        Scale(0, max(map(max, shares)), BOTTOM, TOP),
        *names,
    )
    parts = axes.frame([kind.name for kind in kinds])
    for number, share in enumerate(shares):
        edges = [(lowest + n * width, share[n]) for n in range(first, last)]
        parts.append(_outline(edges, width, axes, number))
    told = "; ".join(
        f"{kind.name}: most between {lowest + n * width:.3g} and {lowest + (n + 1) * width:.3g}"
        for kind, share in zip(kinds, shares, strict=True)
        for n in [share.index(max(share))]
    )
    return drawing(title, told, HEIGHT, parts)


def _shares(counts: Sequence[float]) -> list[float]:
    sound = [count if is_drawable(count) and count > 0 else 0.0 for count in counts]
    total = sum(sound)
    return [count / total if total else 0.0 for count in sound]


def _outline(edges: Sequence[tuple[float, float]], width: float, axes: Axes, number: int) -> str:
    """The bins of one kind as one shape, so that another one shows through it."""
    path = [f"M{axes.x(edges[0][0]):.1f} {BOTTOM}"]
    for left, share in edges:
        path.append(f"V{axes.y(share):.1f}H{axes.x(left + width):.1f}")
    path.append(f"V{BOTTOM}Z")
    return element("path", d="".join(path), class_=f"area kind-{number}")
