"""Which models leave first when memory is short: policies as pure functions of a snapshot.

A policy puts candidates in order, the least valuable first; it does not know how much must go or
which may not (`watermarks.py`). Two are shipped; `benchmarks/` replays traces against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HALF_LIFE_S = 300.0
"""Time in which a use counts for half as much."""
LEAST_COST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Candidate:
    """An idle resident model as a policy sees it. Times are monotonic seconds."""

    name: str
    own_bytes: int
    """Memory that becomes free when it goes."""
    tasks: int
    """Tasks that end when it goes: none for a model in the pool."""
    load_s: float
    """What it costs to bring it back."""
    last_used_s: float
    uses: float
    """Uses, each halved every `HALF_LIFE_S`, as of `last_used_s`."""


def least_recently_used(candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
    """In the order of their last use, the longest ago first."""
    del now_s
    return sorted(candidates, key=lambda each: (each.last_used_s, each.name))


def least_worth(candidates: Sequence[Candidate], now_s: float) -> list[Candidate]:
    """In the order of what keeping them saves: expected seconds of loading, per byte kept.

    The rate of use is estimated from decayed counts, as in GreedyDual-Size-Frequency (Cherkasova
    1998), with ageing by time instead of by eviction.
    """

    def worth(each: Candidate) -> float:
        rate = decayed(each.uses, now_s - each.last_used_s)
        return rate * each.load_s / max(each.own_bytes, LEAST_COST_BYTES)

    return sorted(candidates, key=lambda each: (worth(each), each.last_used_s, each.name))


def decayed(uses: float, elapsed_s: float) -> float:
    """What `uses` count for after `elapsed_s`."""
    return float(uses * 0.5 ** (max(0.0, elapsed_s) / HALF_LIFE_S))


POLICIES: dict[str, Callable[[Sequence[Candidate], float], list[Candidate]]] = {
    "lru": least_recently_used,
    "worth": least_worth,
}
