"""What models cost, from what an endpoint noted of requests to them: pure.

The times hold what else the endpoint was busy with. `probing.py` has one answer requests that is
busy with nothing else; `reading.py` finds in a trace what its own endpoint noted.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mme.planning.costs import Cost, Costs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_ALIKE = 200
"""So many requests of a model and an outcome are kept of a trace, the first ones."""
MANY = 300_000
"""When so many are kept, only those are that no other is like."""
QUANTILES = 41
"""So many of a model's times are kept."""


class Observed(NamedTuple):
    """One request, as a log or a trace tells of it. Seconds; NaN: it does not say."""

    model: str
    outcome: str = ""
    """warm, cold or first; empty: it was refused, or is not said."""
    total_s: float = math.nan
    fetch_s: float = math.nan
    queue_s: float = math.nan
    load_s: float = math.nan
    model_s: float = math.nan

    @property
    def overhead_s(self) -> float:
        """What the gateway took."""
        return max(0.0, self.total_s - self.fetch_s - self.queue_s - self.load_s - self.model_s)


def observed(lines: Iterable[str]) -> list[Observed]:
    """The invocations among the lines of a log as JSON (`MME_LOG_FORMAT=json`)."""
    found = []
    for line in lines:
        if '"model_ms"' not in line:
            continue
        said = json.loads(line)
        took = (said[f"{part}_ms"] / 1000 for part in ("total", "fetch", "queue", "load", "model"))
        found.append(Observed(said["target_model"], said["outcome"], *took))
    return found


class Observations:
    """What is kept of many requests to know what their models cost: some of each outcome."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], list[Observed]] = {}
        self._count = 0

    def add(self, request: Observed) -> None:
        """Keep it if it says where its time went, and there are few like it."""
        if request.outcome and math.isfinite(sum(request[2:])):
            alike = self._kept.setdefault((request.model, request.outcome), [])
            if len(alike) < (MOST_ALIKE if self._count < MANY else 1):
                alike.append(request)
                self._count += 1

    def costs(self) -> Costs | None:
        """What models cost, their bytes as is usual; None: too little is known."""
        kept = [request for alike in self._kept.values() for request in alike]
        return measured(kept, {}) if any(each.outcome == "warm" for each in kept) else None


def measured(requests: Iterable[Observed], sizes: Mapping[str, Cost]) -> Costs:
    """The costs of all models that were asked; `sizes` has their bytes, other models' are usual.

    Raises ValueError if no request to a model in memory was seen.
    """
    by_model: dict[str, list[Observed]] = defaultdict(list)
    for each in requests:
        by_model[each.model].append(each)
    warm = [each for group in by_model.values() for each in group if each.outcome == "warm"]
    if not warm:
        raise ValueError("no request was answered by a model in memory: nothing can be measured")
    overhead_s = median(each.overhead_s for each in warm)
    costs = {model: _cost(group, sizes.get(model, Cost())) for model, group in by_model.items()}
    return Costs(default=_usual(list(costs.values())), by_model=costs, overhead_s=overhead_s)


def return_s(requests: Sequence[Observed], waited_s: Sequence[float]) -> float:
    """What a caller waits beyond what the endpoint notes, of requests one after the other."""
    if len(requests) != len(waited_s) or not waited_s:  # some were not answered by a model
        return 0.0
    beyond_s = (waited - each.total_s for each, waited in zip(requests, waited_s, strict=True))
    return max(0.0, median(beyond_s))


def _cost(requests: Sequence[Observed], size: Cost) -> Cost:
    warm = [each.model_s for each in requests if each.outcome == "warm"]
    loads = [each for each in requests if each.load_s > 0]
    first = [each.fetch_s for each in requests if each.outcome == "first"]
    return replace(
        size,
        service_s=_quantiles(warm) if warm else size.service_s,
        load_s=_quantiles([each.load_s for each in loads]) if loads else size.load_s,
        cold_service_s=_quantiles([each.model_s for each in loads]) if loads else (),
        first_s=fmean(first) if first else size.first_s,
    )


def _usual(costs: Sequence[Cost]) -> Cost:
    """What a model costs of which nothing is known: as the others on average."""
    cold_s = [second for cost in costs for second in cost.cold_service_s]
    return Cost(
        service_s=_quantiles([second for cost in costs for second in cost.service_s]),
        load_s=_quantiles([second for cost in costs for second in cost.load_s]),
        cold_service_s=_quantiles(cold_s) if cold_s else (),
        first_s=median(cost.first_s for cost in costs),
        own_bytes=int(fmean(cost.own_bytes for cost in costs)),
        mapped_bytes=int(median(cost.mapped_bytes for cost in costs)),
        disk_bytes=int(fmean(cost.disk_bytes for cost in costs)),
    )


def _quantiles(seconds: Sequence[float]) -> tuple[float, ...]:
    """Of many times, as many quantiles as are kept; few are kept as they are."""
    if len(seconds) <= QUANTILES:
        return tuple(sorted(seconds))
    shares = np.linspace(0.0, 1.0, QUANTILES)
    return tuple(float(each) for each in np.quantile(np.array(seconds), shares))
