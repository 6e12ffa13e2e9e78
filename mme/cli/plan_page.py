"""A plan as a page for people: one HTML file that needs no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mme.cli.plan_figures import figures_of
from mme.cli.plan_told import FIGURES, choice_told, figures_told, lines_of, tried_told
from mme.cli.tables import milliseconds, size
from mme.training.page.markup import figure, figures, folded, paragraph, section, table
from mme.training.page.whole import whole
from mme.training.plots.lines import lines

if TYPE_CHECKING:
    from collections.abc import Mapping


def as_page(report: Mapping[str, Any]) -> str:
    """The report of a plan as HTML."""
    title = f"Capacity for {report['trace']['source']}"
    told = [line.partition(" ") for line in lines_of(report)]
    return whole(
        title,
        title,
        *(paragraph(f"{name.capitalize()}: {rest.strip()}.") for name, _, rest in told),
        section("Instances", *_choice(report.get("choice"))),
        section("Memory", _memories(report)),
        section("Figures", figures(_drawn(report))),
        section("Models asked most", _top(report)),
    )


def _choice(choice: Mapping[str, Any] | None) -> list[str]:
    if choice is None:
        return []
    rows = [tried_told(each) for each in choice["tried"]]
    shown = table(("Instances", "USD a month", *FIGURES, "target"), rows)
    return [paragraph(choice_told(choice), kind="lead"), folded("What was tried", shown)]


def _memories(report: Mapping[str, Any]) -> str:
    return table(
        ("With memory", *FIGURES),
        [(size(each["memory_bytes"]), *figures_told(each)) for each in report["by_memory"]],
    )


def _drawn(report: Mapping[str, Any]) -> list[str]:
    return [
        figure(each.title, lines(each.title, each.series, each.names), each.caption)
        for each in figures_of(report)
    ]


def _top(report: Mapping[str, Any]) -> str:
    return table(
        ("Model", "requests", "warm", "mean"),
        [
            (
                each["target_model"], each["requests"], each["warm"],
                milliseconds(each["mean_ms"]),
            )
            for each in report["outcome"]["top"]
        ],
    )  # fmt: skip
