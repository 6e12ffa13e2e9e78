"""Replays a trace of requests: `simulate` is all that callers need.

A trace that is short enough is replayed by the product's own objects (`exact.py`), a longer one by
the loop that is proved equal (`fast.py`), which leaves out what it says.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from mme.planning.costs import Cost, Costs
from mme.planning.exact import Exact
from mme.planning.fast import Fast
from mme.planning.machine import Machine
from mme.planning.outcome import Outcome
from mme.planning.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mme.planning.trace import Trace

__all__ = ["Cost", "Costs", "Machine", "NotSimulated", "Outcome", "simulate"]

EXACT_REQUESTS = 200_000
"""So many are replayed by the product's objects."""


class NotSimulated(ValueError):
    """Models with a process of their own are not replayed."""

    def __init__(self) -> None:
        super().__init__(
            "only models that share the workers of the pool are simulated; MME_ISOLATION=model"
            " gives each a process of its own"
        )


def simulate(
    chunks: Iterable[Trace],
    costs: Costs,
    machine: Machine,
    *,
    progress: Callable[[int, float], None] | None = None,
    exact_requests: int = EXACT_REQUESTS,
) -> Outcome:
    """What comes of the requests of `chunks`, which follow one another in time.

    `progress` is told now and then how many requests were replayed, and up to which second.
    Raises NotSimulated.
    """
    if machine.mode == "own":
        raise NotSimulated
    chunks = iter(chunks)
    seen: list[Trace] = []
    count = 0
    for chunk in chunks:
        seen.append(chunk)
        count += len(chunk.at_s)
        if count > exact_requests:
            break
    if not seen:
        return Tally(()).outcome("exact", machine.cores)
    names = seen[0].names
    tally = Tally(names)
    trace = chain(seen, chunks)
    if count > exact_requests:
        fast = Fast(names, costs, machine, tally)
        fast.run(trace, progress)
        return tally.outcome("fast", machine.cores, fast.notes())
    says_times = any(chunk.service_s is not None for chunk in seen)
    Exact(names, costs, machine, tally, is_shared=not says_times).run(trace, progress)
    notes = ["times the trace says are taken as they are, on cores of their own"] * says_times
    return tally.outcome("exact", machine.cores, notes)
