"""Many models in little memory, asked for ten minutes in a Zipf distribution.

As shipped, and with a process for each model (`MME_ISOLATION=model`), whose working set is ten
times the limit then. Memory and nothing else is short.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.footprint import MIB
from benchmarks.limits import bounded
from benchmarks.share import of
from benchmarks.table import Row
from benchmarks.traffic import drive
from benchmarks.workload import exchanges, fill_store, zipf
from tests.support.endpoint import running_endpoint

MODELS = 1100
LIMIT_BYTES = 512 * MIB
DURATION_S = 600
CONNECTIONS = 4
SEED = 17
REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class Way:
    """How models are served, and what must be reached."""

    isolation: str
    aim_p50_ms: float
    aim_p99_ms: float


WAYS = (Way("shared", 4, 30), Way("model", 49, 613))


def measure() -> list[Row]:
    """Needs a cgroup, since only the kernel's limit is a limit."""
    return [_measured(way) for way in WAYS]


def _measured(way: Way) -> Row:
    duration_s = of(DURATION_S)
    with bounded(LIMIT_BYTES) as bounds, tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = fill_store(scratch / "store", MODELS)
        settings = {"MME_ISOLATION": way.isolation}
        with running_endpoint(str(scratch / "store"), scratch, settings, bounds.enter) as endpoint:
            asked = [
                exchanges(endpoint.url, model)[number % 3]
                for number, model in enumerate(zipf(models, SEED, REQUESTS))
            ]
            seen = drive(endpoint.url, asked, connections=CONNECTIONS, for_s=duration_s)
            evicted = endpoint.log.count("evicted ")
            state = str(bounds)
        kills = bounds.kills
    p50_ms, p99_ms = seen.percentile_ms(50), seen.percentile_ms(99)
    if seen.failures:
        print(f"{way.isolation}: {seen.failures[:3]}", flush=True)
    return Row(
        f"MME_ISOLATION={way.isolation}: {MODELS:,} models in {LIMIT_BYTES // MIB} MiB, Zipf,"
        f" {duration_s} s",
        "-",
        f"{len(seen.latencies_s):,} requests, {len(seen.failures)} failed, {evicted:,} evictions,"
        f" p50 {p50_ms:.1f} ms, p99 {p99_ms:.0f} ms; at the end {state}",
        f"p50 ≤ {way.aim_p50_ms:g} ms, p99 ≤ {way.aim_p99_ms:g} ms, no failure, no kill",
        met=not seen.failures
        and kills == 0
        and p50_ms <= way.aim_p50_ms
        and p99_ms <= way.aim_p99_ms,
    )
