"""What came of a replay: how warm, how long, how full. Counted as it goes, in bounded memory.

Latencies are kept in classes whose ends are 1 % apart, so a quantile is right to 1 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WARM, COLD, FIRST, REFUSED = range(4)
LEAST_S = 1e-6
STEP = 1.01
CLASSES = 2400
TOP = 20


@dataclass(eq=False, slots=True)
class Histogram:
    """Latencies by class: class n ends at LEAST_S * STEP ** n."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(CLASSES, np.int64))
    seconds: float = 0.0

    def add(self, latencies_s: NDArray[np.float64]) -> None:
        """Some more."""
        classes = np.ceil(np.log(np.maximum(latencies_s, LEAST_S) / LEAST_S) / np.log(STEP))
        classes = np.minimum(classes, CLASSES - 1).astype(np.int64)
        self.counts += np.bincount(classes, minlength=CLASSES)
        self.seconds += float(latencies_s.sum())

    @property
    def total(self) -> int:
        """How many there are."""
        return int(self.counts.sum())

    @property
    def ends_s(self) -> NDArray[np.float64]:
        """The upper end of each class."""
        return LEAST_S * STEP ** np.arange(CLASSES, dtype=np.float64)

    def quantile_s(self, share: float) -> float:
        """The latency that `share` of them do not exceed; 0 if there are none."""
        total = self.total
        if not total:
            return 0.0
        at = int(np.searchsorted(np.cumsum(self.counts), max(1.0, np.ceil(share * total))))
        return float(LEAST_S * STEP ** (at - 0.5))

    def mean_s(self) -> float:
        """The average; 0 if there are none."""
        return self.seconds / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """What came in one stretch of the trace's time."""

    at_s: float
    requests: int
    warm: int
    cold: int
    first: int
    refused: int
    mean_s: float
    """Of those that were answered."""
    resident_bytes: int
    """Memory in use at its end."""


@dataclass(frozen=True, slots=True)
class ModelOutcome:
    """One model's share."""

    name: str
    requests: int
    warm: int
    mean_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a whole trace."""

    how: Literal["exact", "fast"]
    """By the product's objects one event after the other, or by the loop that is proved equal."""
    notes: tuple[str, ...]
    """What the figures leave out, in words."""
    sampled: float
    """The share of the models that was replayed; 1: all."""
    duration_s: float
    requests: int
    warm: int
    cold: int
    first: int
    refused: int
    latencies: Histogram
    evictions: int
    """Models that left a worker because it had as many as it may."""
    evicted_for_memory: int
    evicted_from_disk: int
    peak_bytes: int
    peak_workers: int
    busy_s: float
    """Processor seconds of workers, gateway and admissions."""
    cores: int
    timeline: Sequence[Bucket] = ()
    top: Sequence[ModelOutcome] = ()
    """The models most asked for."""

    @property
    def answered(self) -> int:
        """Requests with an answer."""
        return self.warm + self.cold + self.first

    @property
    def hit_ratio(self) -> float:
        """The share of those answered whose model was in the worker's memory."""
        return self.warm / self.answered if self.answered else 0.0

    @property
    def cold_share(self) -> float:
        """The share of those answered that waited for a load, or for a download."""
        return 1.0 - self.hit_ratio if self.answered else 0.0

    @property
    def p50_s(self) -> float:
        """Half of those answered took no longer."""
        return self.latencies.quantile_s(0.5)

    @property
    def p99_s(self) -> float:
        """99 % of those answered took no longer."""
        return self.latencies.quantile_s(0.99)

    @property
    def mean_s(self) -> float:
        """Of those answered."""
        return self.latencies.mean_s()

    @property
    def busy_cores(self) -> float:
        """How many cores worked on average."""
        return self.busy_s / self.duration_s if self.duration_s else 0.0

    @property
    def utilization(self) -> float:
        """The share of the cores' time that was worked."""
        return self.busy_cores / self.cores
