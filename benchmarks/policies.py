"""Eviction policies on replayed traces: how long callers would have waited for loads.

A simulation of the shipped policies (`mme.memory.policy`) as they are; models differ in size and
in what they cost to load. What is counted is the time spent loading, for that is what callers feel.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.table import Row
from mme.memory.policy import POLICIES, Candidate, decayed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODELS, REQUESTS = 400, 20_000
EVERY_S = 0.2
MIB = 1024 * 1024
CAPACITY_SHARES = (0.05, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class Kind:
    """Size and cost of a model."""

    own_bytes: int
    load_s: float


def measure() -> list[Row]:
    """Each trace at three capacities, summed."""
    rows = []
    for name, trace in TRACES.items():
        spent = dict.fromkeys(POLICIES, 0.0)
        for share in CAPACITY_SHARES:
            kinds = _kinds(random.Random(5))  # noqa: S311 - a workload
            capacity = int(share * sum(kind.own_bytes for kind in kinds))
            order = list(trace(random.Random(11)))  # noqa: S311 - a workload
            for policy in POLICIES:
                spent[policy] += replay(policy, order, kinds, capacity)
        lru, worth = spent["lru"], spent["worth"]
        rows.append(
            Row(f"time spent loading, {name}: lru", f"{lru:,.0f} s", f"worth: {worth:,.0f} s")
        )
    return rows


def _kinds(chosen: random.Random) -> list[Kind]:
    """Mostly small models that load in 25 ms, some of ten to hundred times the size."""
    sizes = [chosen.choice((4, 4, 4, 6, 40, 400)) for _ in range(MODELS)]
    return [Kind(size * MIB, 0.025 + size * chosen.choice((0.001, 0.01))) for size in sizes]


def _zipf(chosen: random.Random) -> Iterator[int]:
    ranked = list(range(MODELS))
    chosen.shuffle(ranked)
    yield from chosen.choices(ranked, [1 / (n + 1) for n in range(MODELS)], k=REQUESTS)


def _drifting(chosen: random.Random) -> Iterator[int]:
    """The favourites of one hour are forgotten in the next."""
    for _ in range(10):
        ranked = list(range(MODELS))
        chosen.shuffle(ranked)
        yield from chosen.choices(ranked, [1 / (n + 1) for n in range(MODELS)], k=REQUESTS // 10)


def _scanned(chosen: random.Random) -> Iterator[int]:
    """Zipf, and every so often somebody asks every model once."""
    for part in range(10):
        yield from _zipf_part(chosen, REQUESTS // 10)
        if part % 3 == 0:
            yield from range(MODELS)


def _zipf_part(chosen: random.Random, length: int) -> list[int]:
    return chosen.choices(range(MODELS), [1 / (n + 1) for n in range(MODELS)], k=length)


def _bursts(chosen: random.Random) -> Iterator[int]:
    """One caller after another works with a model of his own for a while."""
    for _ in range(REQUESTS // 40):
        yield from [chosen.randrange(MODELS)] * 40


TRACES: dict[str, Callable[[random.Random], Iterator[int]]] = {
    "Zipf": _zipf,
    "Zipf with changing favourites": _drifting,
    "Zipf with scans": _scanned,
    "bursts": _bursts,
}


def replay(policy: str, order: list[int], kinds: list[Kind], capacity: int) -> float:
    """Seconds spent loading when `policy` decides who leaves `capacity` bytes."""
    resident: dict[int, Candidate] = {}
    used = spent_s = now_s = 0.0
    for index in order:
        now_s += EVERY_S
        kind, model = kinds[index], resident.get(index)
        if model is None:
            in_order = POLICIES[policy](list(resident.values()), now_s)
            for victim in in_order:
                if used + kind.own_bytes <= capacity:
                    break
                del resident[int(victim.name)]
                used -= victim.own_bytes
            spent_s += kind.load_s
            used += kind.own_bytes
            model = Candidate(str(index), kind.own_bytes, 0, kind.load_s, now_s, uses=0.0)
        uses = decayed(model.uses, now_s - model.last_used_s) + 1
        resident[index] = replace(model, last_used_s=now_s, uses=uses)
    return spent_s
