"""What a trace is replayed on: a machine, and an endpoint's settings on it.

The settings are those of `mme.core.settings` that decide who waits and who leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from mme.memory.readings import UNLIMITED_TASKS
from mme.residency.table import MOST_IDLE
from mme.workers.scaling import pool_size

if TYPE_CHECKING:
    from mme.core.settings import Settings

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Machine:
    """One container with its endpoint."""

    memory_bytes: int = 4 * GIB
    cores: int = 2
    tasks: int = UNLIMITED_TASKS
    disk_bytes: int | None = None
    """Most the unpacked artifacts may take; None: no limit."""
    starts_admitted: bool = False
    """Whether all artifacts are on the disk when the trace begins."""
    mode: Literal["pool", "own"] = "pool"
    """Whether models share the pool's workers; models with processes of their own are refused."""
    pool_min: int | None = None
    pool_max: int | None = None
    resident_models: int = 1000
    """Most models one worker of the pool keeps."""
    remembered_models: int = MOST_IDLE
    """Most targets the endpoint remembers, and how they were used."""
    queue_length: int = 100
    invoke_timeout_s: float = 60.0
    ready_timeout_s: float = 60.0
    parallel_loads: int = 4
    policy: Literal["worth", "lru"] = "worth"
    high: float = 0.85
    low: float = 0.75
    settle_s: float = 1.0

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        memory_bytes: int,
        cores: int,
        tasks: int = UNLIMITED_TASKS,
    ) -> Self:
        """A machine on which the endpoint has these settings."""
        return cls(
            memory_bytes=settings.memory_limit or memory_bytes,
            cores=cores,
            tasks=tasks,
            disk_bytes=settings.cache_limit_bytes,
            mode="own" if settings.isolation == "model" else "pool",
            pool_min=settings.pool_min,
            pool_max=settings.pool_max,
            resident_models=settings.resident_models,
            queue_length=settings.queue_length,
            invoke_timeout_s=settings.invoke_timeout_s,
            ready_timeout_s=settings.ready_timeout_s,
            parallel_loads=settings.parallel_loads,
            policy=settings.eviction,
            high=settings.memory_high,
            low=settings.memory_low,
            settle_s=settings.settle_s,
        )

    @property
    def pool(self) -> tuple[int, int]:
        """The fewest and the most workers of the pool."""
        if self.mode == "own":
            return 0, 0
        return pool_size(self.pool_min, self.pool_max, self.cores)
