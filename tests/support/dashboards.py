"""What a dashboard asks for: queries, their series and labels; whether /metrics has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.measured import Scrape

SERIES = re.compile(r"\b(mme_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
OF_PROMETHEUS = {"instance", "job"}
"""Labels that a collector adds."""


def queries_in(found: Any) -> list[str]:
    """All queries of a dashboard, wherever they are in it."""
    if isinstance(found, list):
        return [query for each in found for query in queries_in(each)]
    if not isinstance(found, dict):
        return []
    own = [found["expr"]] if "expr" in found else []
    return own + queries_in(list(found.values()))


def missing_in(scrape: Scrape, queries: Iterable[str]) -> list[str]:
    """What the queries name and the answer has not: series, or labels of series as `name{label}`.

    What a query groups by must be a label of one of its series.
    """
    labels: dict[str, set[str]] = {}
    for name, known in scrape.values:
        labels.setdefault(name, set()).update(label for label, _ in known)
    missing = []
    for query in queries:
        named = SERIES.findall(query)
        grouped = {part.strip() for group in GROUPED.findall(query) for part in group.split(",")}
        missing += [name for name, _ in named if name not in labels]
        for name, matchers in named:
            if name in labels:
                wanted = set(MATCHER.findall(matchers)) - OF_PROMETHEUS
                missing += [f"{name}{{{label}}}" for label in sorted(wanted - labels[name])]
        known_labels = set().union(*(labels.get(name, set()) for name, _ in named), OF_PROMETHEUS)
        missing += [f"{named[0][0]}{{{label}}}" for label in sorted(grouped - known_labels)]
    return missing
