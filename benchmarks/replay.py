"""How long `mme plan` takes over a hundred million requests to a hundred thousand models.

Processor time of the one thread that replays, the making up of the trace included.
"""

from __future__ import annotations

import time

from benchmarks.share import of
from benchmarks.table import Row
from mme.planning.costs import Costs
from mme.planning.machine import Machine
from mme.planning.simulate import simulate
from mme.planning.zipf import Zipf

COMPARED_WITH = "-"
MODELS, REQUESTS, RATE = 100_000, 100_000_000, 200.0
CORES = 4
CASES = (
    ("each worker keeps 1,000 models", 16 << 30, REQUESTS),
    ("memory for fewer than that", 3 << 30, REQUESTS // 10),
)
MOST_US = 10
"""A hundred million in a quarter of an hour."""


def measure() -> list[Row]:
    """Where memory is not short, and where it is."""
    return [_replayed(*case) for case in CASES]


def _replayed(room: str, memory_bytes: int, requests: int) -> Row:
    count = of(requests)
    trace = Zipf(models=MODELS, requests=count, s=1.0, rate=RATE)
    machine = Machine(memory_bytes=memory_bytes, cores=CORES)
    began_s = time.process_time()
    outcome = simulate(trace.chunks(), Costs(), machine)
    took_s = time.process_time() - began_s
    return Row(
        f"{count:,} requests to {MODELS:,} models, {room}",
        "-",
        f"{took_s / 60:.1f} min, {1e6 * took_s / count:.1f} us each (hit ratio"
        f" {outcome.hit_ratio:.1%}, {outcome.evicted_for_memory + outcome.evictions:,} evictions)",
        f"≤ {MOST_US} us each",
        1e6 * took_s <= MOST_US * count,
    )
