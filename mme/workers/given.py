"""What dispatch is given and what it gives: requests as it sees them, orders to send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.workers.batches import Batch


class Waiting(Protocol):
    """A request as dispatch sees it."""

    @property
    def model(self) -> str:
        """The name of the model."""

    @property
    def is_own(self) -> bool:
        """Whether only a worker of the model's own may take it."""

    @property
    def is_heavy(self) -> bool:
        """Whether few workers of the pool shall have the model."""

    @property
    def is_large(self) -> bool:
        """Whether its body is so large that it may take long, whatever the model took so far."""

    @property
    def is_streamed(self) -> bool:
        """Whether its answer is passed on as it comes, so that no two workers may compute it."""

    @property
    def pipeline(self) -> str | None:
        """What the worker's template must have loaded."""

    @property
    def batch(self) -> Batch | None:
        """How many may be computed with it at once; None: it is computed alone."""

    @property
    def size_bytes(self) -> int:
        """Of its body."""


R = TypeVar("R", bound=Waiting)


@dataclass(frozen=True, slots=True)
class Given(Generic[R]):
    """To be done: send this request to this worker."""

    worker: str
    request: R
    others: Sequence[R] = ()
    """Those that go with it as one batch."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker as scaling sees it."""

    name: str
    runs_s: float
    """How long its request has been computed, of a batch each one's share; 0 if it has none."""
    idle_s: float
    """How long it has had none; 0 if it has one."""
    models: int
