"""How many workers there shall be: a rule for the pool and for the workers of one model, pure.

One more is wanted when a request has waited for a while and all workers compute something that
takes long: one slow request brings that about, many quick ones behind one another do not. One fewer
is wanted when one has had nothing to do for long. One step at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE_S = 0.05
"""How long the oldest request waits before one more worker comes for it."""
STAY_S = 10.0
"""How long a worker beyond the fewest stays with nothing to do."""
LEAST_POOL, POOL_SPREAD = 2, 4


@dataclass(frozen=True, slots=True)
class Load:
    """What is seen of a group of workers that may take the same requests."""

    workers: int
    """Those that take requests."""
    starting: int
    longest_wait_s: float
    """How long the oldest request waits already; 0 if none does."""
    shortest_run_s: float
    """How long the request that was begun last has been computed; 0 if none is."""
    longest_idle_s: float
    """How long the worker has been idle that is so longest; 0 if none is."""


def pool_size(least: int | None, most: int | None, cores: int) -> tuple[int, int]:
    """The fewest and the most workers of the pool, from what the operator says, if anything."""
    fewest = least or max(cores, LEAST_POOL)
    return fewest, max(most or fewest + POOL_SPREAD, fewest)


def change(load: Load, fewest: int, most: int) -> int:
    """+1: one more worker shall come, -1: one shall go, 0: they are right as they are.

    Where the workers turn over quickly more of them would only share the cores: the requests that
    wait are as many, and their turn comes.
    """
    there = load.workers + load.starting
    if there < fewest:
        return 1
    is_held_up = load.longest_wait_s > PATIENCE_S and load.shortest_run_s > PATIENCE_S
    if is_held_up and load.starting == 0 and there < most:
        return 1
    if load.workers > fewest and load.longest_idle_s > STAY_S:
        return -1
    return 0
