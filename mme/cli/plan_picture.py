"""The figures of a plan as one PNG, drawn by matplotlib (the extra `mme[plan]`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mme.cli.plan_figures import figures_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mme.cli.plan_figures import Figure

COLUMNS = 2
INCHES, DOTS_PER_INCH = (11.0, 4.0), 120
STYLES = ("-", "--", ":", "-.")


class NoMatplotlib(Exception):
    """It is not installed, so that there is no picture."""


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Write the picture. Raises NoMatplotlib, OSError."""
    try:
        backend = importlib.import_module("matplotlib.backends.backend_agg")
        figure_module = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise NoMatplotlib(str(error)) from error
    drawn = figures_of(report)
    rows = -(-len(drawn) // COLUMNS)
    picture = figure_module.Figure(figsize=(INCHES[0], INCHES[1] * rows), layout="constrained")
    backend.FigureCanvasAgg(picture)
    picture.suptitle(f"Capacity for {report['trace']['source']}".replace("$", r"\$"))
    for place, each in enumerate(drawn, 1):
        _draw(picture.add_subplot(rows, COLUMNS, place), each)
    picture.savefig(path, dpi=DOTS_PER_INCH, format="png")


def _draw(axes: Any, figure: Figure) -> None:
    axes.set_title(figure.title)
    axes.set_xlabel(figure.names[0])
    axes.set_ylabel(figure.names[1])
    axes.grid(visible=True, alpha=0.3)
    for number, series in enumerate(figure.series):
        axes.plot(
            [x for x, _ in series.points], [y for _, y in series.points],
            STYLES[number % len(STYLES)], label=series.name, marker="o" if series.has_dots else "",
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.legend()
