"""The capacity planner against the endpoint: a trace both run, with what the planner says of it.

An endpoint answers requests that come at times of their own; then `GET /trace` is replayed as `mme
plan` does, with the costs that the trace itself tells and with those measured from the artifacts.
"""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import requests

from benchmarks.paced import drive_at
from benchmarks.share import of
from benchmarks.table import Row
from benchmarks.traffic import percentile_ms
from benchmarks.workload import exchanges, fill_store, zipf
from mme.planning.costs import Costs
from mme.planning.machine import Machine
from mme.planning.probing import probed
from mme.planning.reading import read_trace
from mme.planning.simulate import simulate
from tests.support.endpoint import running_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.workload import Model
    from mme.planning.outcome import Outcome
    from tests.support.endpoint import Endpoint

COMPARED_WITH = "the endpoint"
MODELS, REQUESTS, RATE = 60, 2_000, 20.0
WORKERS = 2
RESIDENT = {"every model has room": 100, "a worker has room for 6": 6}
WITHIN = 0.15


@dataclass(frozen=True, slots=True)
class Figures:
    """What is compared."""

    hit_ratio: float
    p50_ms: float
    p99_ms: float


def measure() -> list[Row]:
    """With room for every model, and without."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="mme-bench-") as folder:
        store = Path(folder) / "store"
        models = fill_store(store, MODELS)
        costs = probed(store)
        for number, (room, resident) in enumerate(RESIDENT.items()):
            settings = {
                "MME_RESIDENT_MODELS": str(resident),
                "MME_POOL_MIN": str(WORKERS), "MME_POOL_MAX": str(WORKERS),
                "MME_READY_TIMEOUT_S": "120",
            }  # fmt: skip
            with running_endpoint(str(store), Path(folder) / str(number), settings) as endpoint:
                latencies_s = _asked(endpoint, models)
                trace = _trace(endpoint, len(latencies_s))
            rows += _compared(trace, latencies_s, room, resident, costs)
    return rows


def _compared(
    text: bytes, latencies_s: list[float], room: str, resident: int, costs: Costs
) -> Iterator[Row]:
    """Of the endpoint's own trace, with what its callers waited for."""
    read = read_trace(io.BufferedReader(io.BytesIO(text)), "trace")
    machine = Machine(
        pool_min=WORKERS, pool_max=WORKERS, resident_models=resident, starts_admitted=True
    )
    own = simulate([read.trace], read.costs or Costs(), machine)
    untimed = [replace(read.trace, service_s=None)]
    of_artifacts = simulate(untimed, replace(costs, return_s=0.0), machine)
    noted = _noted(text.decode())
    head = f"{len(latencies_s):,} requests to {MODELS} models, {room}"
    for what, shown in (("hit_ratio", _percent), ("p50_ms", _ms), ("p99_ms", _ms)):
        name = f"{head}: {what.replace('_', ' ').removesuffix(' ms')}"
        yield _row(name, what, shown, (noted, _of(own), _of(of_artifacts)))
    p50_ms, p99_ms = percentile_ms(latencies_s, 50), percentile_ms(latencies_s, 99)
    waited = _of(simulate(untimed, costs, machine))
    yield Row(
        f"{head}: p50 and p99 as callers saw them",
        f"{_ms(p50_ms)}, {_ms(p99_ms)}",
        f"{_ms(waited.p50_ms)}, {_ms(waited.p99_ms)} by costs measured before"
        f" ({abs(waited.p50_ms / p50_ms - 1):.0%} and"
        f" {abs(waited.p99_ms / p99_ms - 1):.0%} apart)",
    )


def _noted(trace: str) -> Figures:
    """What the endpoint says itself of the requests."""
    rows = list(csv.DictReader(io.StringIO(trace)))
    total_s = [float(row["total_ms"]) / 1000 for row in rows]
    hit_ratio = sum(row["outcome"] == "warm" for row in rows) / len(rows)
    return Figures(hit_ratio, percentile_ms(total_s, 50), percentile_ms(total_s, 99))


def _row(
    name: str, what: str, shown: Callable[[float], str], found: tuple[Figures, Figures, Figures]
) -> Row:
    seen, own, of_artifacts = (getattr(each, what) for each in found)
    apart = [abs(each / seen - 1) for each in (own, of_artifacts)]
    return Row(
        name,
        shown(seen),
        f"{shown(own)} by the trace's own times ({apart[0]:.0%} apart),"
        f" {shown(of_artifacts)} by costs measured before ({apart[1]:.0%})",
        f"within {WITHIN:.0%}",
        max(apart) <= WITHIN,
    )


def _asked(endpoint: Endpoint, models: list[Model]) -> list[float]:
    """What callers waited for, of requests after all models came in once."""
    each = {model: exchanges(endpoint.url, model)[0] for model in models}
    drive_at(endpoint.url, [*each.values()], [0.2 * number for number in range(len(models))])
    count = of(REQUESTS)
    at_s = np.cumsum(np.random.default_rng(7).exponential(1 / RATE, count)).tolist()
    return drive_at(endpoint.url, [each[model] for model in zipf(models, 7, count)], at_s)


def _trace(endpoint: Endpoint, count: int) -> bytes:
    return requests.get(f"{endpoint.url}/trace?last={count}", timeout=60).content


def _of(outcome: Outcome) -> Figures:
    return Figures(outcome.hit_ratio, outcome.p50_s * 1000, outcome.p99_s * 1000)


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _ms(value: float) -> str:
    return f"{value:.1f} ms"
