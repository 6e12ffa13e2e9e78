"""Replays a trace of requests: `simulate` is all that callers need."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from mme.planning.costs import Cost, Costs
from mme.planning.machine import Machine
from mme.planning.exact import Exact
from mme.planning.outcome import Outcome
from mme.planning.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mme.planning.trace import Trace

__all__ = ["Cost", "Costs", "Machine", "Outcome", "simulate"]


def simulate(
    chunks: Iterable[Trace],
    costs: Costs,
    machine: Machine,
    *,
    progress: Callable[[int, float], None] | None = None,
) -> Outcome:
    """What comes of the requests of `chunks`, which follow one another in time.

    `progress` is told now and then how many requests were replayed, and up to which second.
    """
    chunks = iter(chunks)
    first = next(chunks, None)
    if first is None:
        return Tally(()).outcome("exact", machine.cores)
    tally = Tally(first.names)
    Exact(first.names, costs, machine, tally).run(chain([first], chunks), progress)
    return tally.outcome("exact", machine.cores)
