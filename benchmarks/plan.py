"""The capacity planner against the endpoint: a trace both run, with what the planner says of it.

An endpoint answers requests that come at times of their own; then `GET /trace` is replayed as `mme
plan` does, with the costs that the trace itself tells and with those measured from the artifacts.
"""

from __future__ import annotations

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
from benchmarks.workload import Model, exchanges, fill_store
from mme.planning.costs import Costs
from mme.planning.machine import Machine
from mme.planning.probing import probed
from mme.planning.reading import read_trace
from mme.planning.simulate import simulate
from tests.support.endpoint import running_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.planning.outcome import Outcome
    from mme.planning.trace import Trace
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
        fill_store(store, MODELS)
        costs = probed(store)
        for number, (room, resident) in enumerate(RESIDENT.items()):
            rows += _compared(store, Path(folder) / str(number), room, resident, costs)
    return rows


def _compared(store: Path, scratch: Path, room: str, resident: int, costs: Costs) -> Iterator[Row]:
    settings = {
        "MME_RESIDENT_MODELS": str(resident),
        "MME_POOL_MIN": str(WORKERS), "MME_POOL_MAX": str(WORKERS),
        "MME_READY_TIMEOUT_S": "120",
    }  # fmt: skip
    with running_endpoint(str(store), scratch, settings) as endpoint:
        latencies_s = _asked(endpoint, store)
        text = requests.get(f"{endpoint.url}/trace?last={len(latencies_s)}", timeout=60).content
    read = read_trace(io.BufferedReader(io.BytesIO(text)), "trace")
    machine = Machine(
        pool_min=WORKERS, pool_max=WORKERS, resident_models=resident, starts_admitted=True
    )
    own = _of(simulate([read.trace], read.costs or Costs(), machine))
    of_artifacts = _of(simulate([_untimed(read.trace)], costs, machine))
    seen = Figures(
        text.count(b",warm,") / len(latencies_s),
        percentile_ms(latencies_s, 50),
        percentile_ms(latencies_s, 99),
    )
    head = f"{len(latencies_s):,} requests to {MODELS} models, {room}"
    for what, shown in (("hit_ratio", _percent), ("p50_ms", _ms), ("p99_ms", _ms)):
        yield _row(f"{head}: {what.replace('_', ' ')}", what, shown, (seen, own, of_artifacts))


def _row(
    measure_: str, what: str, shown: Callable[[float], str], found: tuple[Figures, Figures, Figures]
) -> Row:
    seen, own, of_artifacts = (getattr(each, what) for each in found)
    apart = [abs(each / seen - 1) for each in (own, of_artifacts)]
    return Row(
        measure_,
        shown(seen),
        f"{shown(own)} by the trace's own times ({apart[0]:.0%} apart),"
        f" {shown(of_artifacts)} by costs measured before ({apart[1]:.0%})",
        f"within {WITHIN:.0%}",
        max(apart) <= WITHIN,
    )


def _asked(endpoint: Endpoint, store: Path) -> list[float]:
    """What callers waited for, of requests after all models came in once."""
    names = sorted(path.name for path in store.iterdir())
    each = [exchanges(endpoint.url, Model(name, name.partition("-")[0]))[0] for name in names]
    random = np.random.default_rng(7)
    drive_at(endpoint.url, each, [0.2 * number for number in range(len(each))])
    count = of(REQUESTS)
    share = 1 / np.arange(1, len(each) + 1)
    order = random.permutation(len(each))[random.choice(len(each), count, p=share / share.sum())]
    at_s = np.cumsum(random.exponential(1 / RATE, count)).tolist()
    return drive_at(endpoint.url, [each[number] for number in order], at_s).latencies_s


def _of(outcome: Outcome) -> Figures:
    return Figures(outcome.hit_ratio, outcome.p50_s * 1000, outcome.p99_s * 1000)


def _untimed(trace: Trace) -> Trace:
    return replace(trace, service_s=None)


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _ms(value: float) -> str:
    return f"{value:.1f} ms"
