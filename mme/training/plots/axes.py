"""The frame of a plot of two dimensions: axes with round numbers, their names, a legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.training.plots.scales import tick_text
from mme.training.plots.svg import WIDTH, element, label, legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.training.plots.scales import Scale

HEIGHT = 240
LEFT, RIGHT, TOP, BOTTOM = 46, WIDTH - 12, 44, HEIGHT - 40
"""Where the area that is drawn in lies."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The scales of both directions, and what they are called."""

    x: Scale
    y: Scale
    x_name: str
    y_name: str

    def frame(self, names: Sequence[str]) -> list[str]:
        """Lines, numbers and names, and the legend of what will be drawn."""
        parts = legend(names, 12)
        parts.append(label(0, TOP - 12, self.y_name, "axis"))
        for tick in self.y.ticks(4):
            y = self.y(tick)
            parts += [
                element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"),
                label(LEFT - 6, y + 4, tick_text(tick), "number", "end"),
            ]
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, class_="base"))
        parts += [
            label(self.x(tick), BOTTOM + 16, tick_text(tick), "number", "middle")
            for tick in self.x.ticks(5)
        ]
        parts.append(label(RIGHT, BOTTOM + 34, self.x_name, "axis", "end"))
        return parts
