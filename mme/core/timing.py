"""Where the time of one invocation went."""

from __future__ import annotations

from dataclasses import dataclass


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
