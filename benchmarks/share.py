"""How much of a long benchmark is run: all of it, or a share while something is being changed.

`BENCH_SHARE=0.1 make bench ONLY=pressure` takes a minute instead of ten. What a share finds is
printed only: README.md holds whole runs.
"""

from __future__ import annotations

import os


def share() -> float:
    """1 unless `BENCH_SHARE` says less."""
    return min(1.0, float(os.environ.get("BENCH_SHARE", "1")))


def is_whole() -> bool:
    """Whether everything is run."""
    return share() == 1


def of(whole: int, least: int = 1) -> int:
    """So many of `whole`."""
    return max(least, round(whole * share()))
