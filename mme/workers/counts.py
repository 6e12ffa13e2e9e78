"""How many workers and requests there are now, what they hold, and where a request's time went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.memory import anonymous_bytes
from mme.workers.batches import BatchSizes

if TYPE_CHECKING:
    from collections.abc import Collection

    from mme.core.door import Answer
    from mme.core.timing import Timing
    from mme.workers.live import LiveWorker, LiveWorkers
    from mme.workers.requests import Request
    from mme.workers.usage import UsageBook


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """As of one moment."""

    pool: int
    """Workers that serve any model."""
    own: int
    """Workers of one model each."""
    busy: int
    is_resting: bool
    in_flight: int
    """Requests that have come and are not answered."""
    waiting: int
    """Those of them that no worker has."""
    pool_least: int = 0
    pool_most: int = 0
    """How many the pool may have."""
    batches: BatchSizes = field(default_factory=BatchSizes)
    """So far, not now: how many requests went to workers at once."""


def counted(
    live: LiveWorkers, in_flight: int, pool: tuple[int, int], *, is_resting: bool
) -> WorkerCounts:
    """Count workers, and the requests they have; `pool` are its least and its most workers."""
    workers = live.all()
    own = sum(each.artifact is not None for each in workers)
    given = sum(
        (each.request is not None) + (each.next is not None) + len(each.others) for each in workers
    )
    return WorkerCounts(
        pool=len(workers) - own,
        own=own,
        busy=sum(each.request is not None for each in workers),
        is_resting=is_resting,
        in_flight=in_flight,
        waiting=max(0, in_flight - given),
        pool_least=pool[0],
        pool_most=pool[1],
        batches=live.sizes,
    )


def grown_bytes(workers: Collection[LiveWorker], usages: UsageBook) -> int:
    """What workers have taken since they were forked, with what models' own ones hold."""
    own = {each.own_model for each in workers if each.own_model is not None}
    known = [usages.get(name) for name in own]
    grown = [
        max(0, anonymous_bytes(each.started.pid) - each.born_bytes)
        for each in workers
        if each.own_model is None
    ]
    return sum(usage.own_bytes for usage in known if usage is not None) + sum(grown)


def note_times(
    timing: Timing, request: Request, answer: Answer | None, ended_s: float, own_load_s: float
) -> None:
    """Fill in where the time of a request went, with an answer or without.

    `own_load_s` is what starting a process took, if one was started for it.
    """
    started_s = ended_s if request.started_at_s is None else request.started_at_s
    waited_s = max(0.0, started_s - request.came_at_s)
    own_s = min(waited_s, own_load_s) if request.waits_for_start else 0.0
    load_s = 0.0 if answer is None else answer.load_s
    timing.together = request.together
    timing.queue_s += waited_s - own_s
    timing.load_s += own_s + load_s
    timing.model_s += max(0.0, ended_s - started_s - load_s)
