"""Replays a trace of requests: `simulate` is all that callers need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.planning.costs import Cost, Costs
from mme.planning.machine import Machine
from mme.planning.outcome import Outcome

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
    raise NotImplementedError
