"""A request on its way through a replay, and a worker: as the product's dispatch sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mme.prefork.residents import Residents
    from mme.residency.table import Known
    from mme.workers.batches import Batch


@dataclass(eq=False, slots=True)
class Call:
    """One request (`mme.workers.given.Waiting`)."""

    index: int
    """Its place in the trace."""
    number: int
    """Its model's place among the names."""
    model: str
    at_s: float
    warm_s: float
    cold_s: float
    is_heavy: bool
    came_at_s: float = 0.0
    """When it came to the workers: as it was there, or when its model had arrived."""
    known: Known | None = None
    """What the endpoint knows of its target; None: it waits for that."""
    is_first: bool = False
    is_cold: bool = False
    is_over: bool = False
    is_own: bool = False
    is_large: bool = False
    is_streamed: bool = False
    pipeline: str | None = None
    batch: Batch | None = None
    size_bytes: int = 0


@dataclass(eq=False, slots=True)
class SimulatedWorker:
    """A worker with the product's own book of the models it has."""

    name: str
    residents: Residents
    call: Call | None = None
    next: Call | None = None
    recalled: set[Call] = field(default_factory=set)
    """What another worker is to answer too."""
    dropped: list[str] = field(default_factory=list)
    """The models that had to leave for the one it computes with."""
