"""A worker as dispatch has it: what it computes, what it has, whether it takes more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic

from mme.workers.given import R, WorkerState

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class Worker(Generic[R]):
    """Dispatch alone changes it."""

    name: str
    own_model: str | None
    pipelines: frozenset[str] | None
    """None: it takes models of any pipeline."""
    idle_since_s: float
    request: R | None = None
    """What it computes."""
    others: Sequence[R] = ()
    """What it computes at once with it."""
    next: R | None = None
    """What it has been sent besides."""
    is_recalled: bool = False
    """Another worker is to answer the next one too."""
    began_s: float = 0.0
    is_leaving: bool = False
    is_occupied: bool = False
    models: dict[str, None] = field(default_factory=dict)
    """The models it has."""

    @property
    def is_idle(self) -> bool:
        """Whether a request may be given to it."""
        return self.request is None and not self.is_leaving and not self.is_occupied

    def state(self, now_s: float) -> WorkerState:
        """As scaling sees it."""
        runs_s = 0.0 if self.request is None else (now_s - self.began_s) / (1 + len(self.others))
        idle_s = now_s - self.idle_since_s if self.is_idle else 0.0
        return WorkerState(self.name, runs_s, idle_s, len(self.models))
