"""Where the time of one invocation went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True)
class Timing:
    """Seconds; filled in while the request is on its way, by whoever has it."""

    fetch_s: float = 0.0
    """Waiting until the artifact was on this disk, admitted."""
    queue_s: float = 0.0
    """Waiting for a worker."""
    load_s: float = 0.0
    """The model's coming into memory."""
    model_s: float = 0.0
    """Computing, and the way to the worker and back."""
    together: int = 1
    """How many requests were computed at once, this one included."""

    def add(self, other: Timing) -> None:
        """Count in where the time of another invocation went that this one is made of."""
        self.fetch_s += other.fetch_s
        self.queue_s += other.queue_s
        self.load_s += other.load_s
        self.model_s += other.model_s


class StepTime(NamedTuple):
    """How long one step of a pipeline took."""

    name: str
    seconds: float
