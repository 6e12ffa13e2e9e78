"""A working set ten times the memory limit, asked for ten minutes in a Zipf distribution."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.footprint import MIB
from benchmarks.table import Row
from benchmarks.traffic import drive
from benchmarks.workload import exchanges, fill_store, zipf
from tests.support.cgroup import memory_cgroup
from tests.support.endpoint import running_endpoint

MODELS = 1100
LIMIT_BYTES = 512 * MIB
DURATION_S = 600.0
CONNECTIONS = 4
SEED = 17


def measure() -> list[Row]:
    """Needs a cgroup, since only the kernel's limit is a limit."""
    measure_name = (
        f"{MODELS} models of about 5 MiB in {LIMIT_BYTES // MIB} MiB, Zipf requests, 10 minutes"
    )
    with memory_cgroup(LIMIT_BYTES) as group, tempfile.TemporaryDirectory() as folder:
        if group is None:
            return [Row(measure_name, "-", "not measured: no cgroup can be made here")]
        scratch = Path(folder)
        models = fill_store(scratch / "store", MODELS)
        with running_endpoint(
            str(scratch / "store"), scratch, before_start=group.enter
        ) as endpoint:
            asked = [
                exchanges(endpoint.url, model)[number % 3]
                for number, model in enumerate(zipf(models, SEED, 20_000))
            ]
            seen = drive(endpoint.url, asked, connections=CONNECTIONS, for_s=DURATION_S)
            evicted = endpoint.log.count("evicting")
        kills = group.kills
    return [
        Row(
            measure_name,
            "-",
            f"{len(seen.latencies_s):,} requests, {len(seen.failures)} failed, {evicted:,}"
            f" evictions, {kills} killed, p50 {seen.percentile_ms(50):.0f} ms,"
            f" p99 {seen.percentile_ms(99):.0f} ms",
            "no failure, no kill",
            met=not seen.failures and kills == 0,
        )
    ]
