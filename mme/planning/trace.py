"""A trace of requests: which model was asked when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in the order of their times; of a long one, a chunk."""

    at_s: NDArray[np.float64]
    """Seconds from the beginning of the whole trace."""
    model: NDArray[np.int32]
    """Which of the names."""
    names: Sequence[str]
    """The models of the whole trace."""
    service_s: NDArray[np.float32] | None
    """How long each was computed, where the trace says it."""
