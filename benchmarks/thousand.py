"""A thousand models resident and answering within 6 GiB, and what the crowd costs one of them."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import requests

from benchmarks.footprint import MIB
from benchmarks.table import Row
from benchmarks.traffic import Exchange, Samples, drive
from benchmarks.workload import exchanges, fill_store
from tests.support.cgroup import memory_cgroup
from tests.support.endpoint import Endpoint, running_endpoint

MODELS, FEW = 1000, 10
LIMIT_BYTES = 6 * 1024 * MIB
PROBES, ROUNDS = 1500, 5
AIM_RATIO = 1.2


def measure() -> list[Row]:
    """Bring in ten, probe one of them; bring in the rest, ask each, probe the one again."""
    with memory_cgroup(LIMIT_BYTES) as group, tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = fill_store(scratch / "store", MODELS)
        # All that is there may be used: the point is that they fit.
        settings = {"MME_MEMORY_HIGH": "0.97", "MME_MEMORY_LOW": "0.95"}
        if group is None:
            settings["MME_MEMORY_LIMIT"] = str(LIMIT_BYTES)
        enter = group.enter if group is not None else None
        with running_endpoint(str(scratch / "store"), scratch, settings, enter) as endpoint:
            per_model = [exchanges(endpoint.url, model) for model in models]
            _ask_all(endpoint, per_model[:FEW])
            quiet = _probe(endpoint, per_model[0][0])
            brought_in = _ask_all(endpoint, per_model[FEW:])
            again = _ask_all(endpoint, per_model)
            crowd = _probe(endpoint, per_model[0][0])
            resident = _resident(endpoint)
            used = f"{group.used_bytes / MIB:.0f} MiB used" if group is not None else "no cgroup"
            kills = group.kills if group is not None else 0
    failed = len(brought_in.failures) + len(again.failures)
    ratios = [crowd[0] / quiet[0], crowd[1] / quiet[1]]
    return [
        Row(
            "models resident and answering at once, in 6 GiB",
            "a dozen in 4 GiB (measured elsewhere)",
            f"{resident}, {failed} wrong answers, {used}, {kills} killed",
            "1,000, each answering correctly",
            met=resident == MODELS and failed == 0 and kills == 0,
        ),
        Row(
            "cold invocation while the thousand come in, two at a time, median",
            "-",
            f"{brought_in.percentile_ms(50):.0f} ms",
        ),
        Row(
            "warm latency with 1,000 resident against 10, p50 and p99",
            "-",
            f"{ratios[0]:.2f}x ({crowd[0]:.2f} ms) and {ratios[1]:.2f}x ({crowd[1]:.2f} ms)",
            "≤ 1.2x",
            met=max(ratios) <= AIM_RATIO,
        ),
    ]


def _ask_all(endpoint: Endpoint, per_model: list[list[Exchange]]) -> Samples:
    asked = [one for several in per_model for one in several[:1]]
    return drive(endpoint.url, asked, connections=2, total=len(asked))


def _probe(endpoint: Endpoint, exchange: Exchange) -> tuple[float, float]:
    """Median over rounds of p50 and p99, in milliseconds."""
    runs = [drive(endpoint.url, [exchange], connections=1, total=PROBES) for _ in range(ROUNDS)]
    assert not any(run.failures for run in runs), runs[0].failures[:3]
    return (
        statistics.median(run.percentile_ms(50) for run in runs),
        statistics.median(run.percentile_ms(99) for run in runs),
    )


def _resident(endpoint: Endpoint) -> int:
    answer = requests.get(f"{endpoint.url}/models?limit=1000", timeout=60)
    return sum(model["state"] == "ready" for model in answer.json()["models"])
