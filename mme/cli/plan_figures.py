"""The figures of a plan as lines through points: the page draws them as SVG, the picture as PNG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mme.training.plots.lines import Series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GIB = 1024**3
HOUR_S, MINUTE_S = 3600.0, 60.0


@dataclass(frozen=True, slots=True)
class Figure:
    """Lines over one axis."""

    title: str
    caption: str
    series: Sequence[Series]
    names: tuple[str, str]
    """Of the axes."""


def figures_of(report: Mapping[str, Any]) -> list[Figure]:
    """All of a plan."""
    return [*_by_memory(report["by_memory"]), *_in_time(report["outcome"]["timeline"]),
            _latencies(report["outcome"]["latencies_ms"])]  # fmt: skip


def _by_memory(curve: Sequence[Mapping[str, Any]]) -> list[Figure]:
    def line(name: str, key: str, scale: float = 1.0) -> Series:
        points = [(each["memory_bytes"] / GIB, each[key] * scale) for each in curve]
        return Series(name, points, has_dots=True)

    return [
        Figure(
            "Hit ratio by memory", "The share of the requests whose model was in memory.",
            [line("warm", "hit_ratio", 100)], ("memory, GiB", "requests, %"),
        ),
        Figure(
            "Median by memory", "What half of the requests do not exceed.",
            [line("p50", "p50_ms")], ("memory, GiB", "milliseconds"),
        ),
        Figure(
            "99 % by memory", "What 99 % of the requests do not exceed.",
            [line("p99", "p99_ms")], ("memory, GiB", "milliseconds"),
        ),
    ]  # fmt: skip


def _in_time(timeline: Sequence[Mapping[str, Any]]) -> list[Figure]:
    last_s = timeline[-1]["at_s"] if timeline else 0.0
    unit_s, unit = (
        (HOUR_S, "hours") if last_s > 2 * HOUR_S
        else (MINUTE_S, "minutes") if last_s > 2 * MINUTE_S else (1.0, "seconds")
    )  # fmt: skip

    def line(name: str, parts: Sequence[str]) -> Series:
        return Series(
            name,
            [
                (each["at_s"] / unit_s, 100 * sum(each[part] for part in parts) / each["requests"])
                for each in timeline
                if each["requests"]
            ],
        )

    resident = [(each["at_s"] / unit_s, each["resident_bytes"] / GIB) for each in timeline]
    return [
        Figure(
            "Cold requests in time", "Of those that came at a time, how many waited for a model.",
            [line("cold or first", ("cold", "first")), line("refused", ("refused",))],
            (unit, "requests, %"),
        ),
        Figure(
            "Memory in time", "What endpoint, workers and models have in memory.",
            [Series("in use", resident)], (unit, "GiB"),
        ),
    ]  # fmt: skip


def _latencies(quantiles: Sequence[tuple[float, float]]) -> Figure:
    return Figure(
        "Latencies", "So many of the requests take no longer.",
        [Series("requests", [(milliseconds, 100 * share) for share, milliseconds in quantiles])],
        ("milliseconds", "requests, %"),
    )  # fmt: skip
