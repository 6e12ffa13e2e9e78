"""The state of a whole endpoint in numbers: room and who takes it, work, what came of it."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from mme.memory.watermarks import most_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mme.cache import ArtifactCache
    from mme.memory import MemoryBook
    from mme.memory.readings import Reading
    from mme.residency.observed import Observed
    from mme.workers.counts import WorkerCounts
    from mme.workers.engine import Workers

KEPT_S = 0.5
"""A state is told again for so long: many may ask, and some of it is read from the kernel."""
MOST_TOP = 20


class Share(NamedTuple):
    """What one resident model takes. A tuple, since there are made thousands of it."""

    target: str
    own_bytes: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class EndpointState:
    """As of one moment."""

    missing: str
    """Why requests cannot be answered now; "": they can."""
    memory: Reading
    high_bytes: int
    low_bytes: int
    models_bytes: int
    """What the models in memory take of their own."""
    tasks: Reading
    most_tasks: int
    """Above it models leave."""
    on_disk: int
    disk_bytes: int
    disk_limit_bytes: int | None
    resident: int
    downloading: int
    pinned: int
    failed: int
    workers: WorkerCounts
    top: Sequence[Share]
    """The models that take most, the largest first."""
    shares: Mapping[str, Share]
    """All models in memory, by target."""


class States:
    """Reads the state of an endpoint, at most twice a second."""

    def __init__(
        self,
        observed: Observed,
        workers: Workers,
        book: MemoryBook,
        cache: ArtifactCache | None,
        *,
        disk_limit_bytes: int | None,
        downloading: Callable[[], int],
    ) -> None:
        self._observed = observed
        self._workers = workers
        self._book = book
        self._cache = cache
        self._disk_limit_bytes = disk_limit_bytes
        self._downloading = downloading
        self._kept: EndpointState | None = None
        self._kept_until_s = 0.0

    def now(self) -> EndpointState:
        """The state, as it was within the last half second."""
        now_s = time.monotonic()
        if self._kept is None or now_s >= self._kept_until_s:
            self._kept = self._read()
            self._kept_until_s = now_s + KEPT_S
        return self._kept

    def _read(self) -> EndpointState:
        shares = self._shares()
        on_disk, disk_bytes = (0, 0) if self._cache is None else self._cache.totals()
        memory, tasks = self._book.reading(), self._book.tasks()
        marks = self._book.marks
        return EndpointState(
            missing=self._workers.what_is_missing(),
            memory=memory,
            high_bytes=int(marks.high * memory.limit),
            low_bytes=int(marks.low * memory.limit),
            models_bytes=sum(share.own_bytes for share in shares.values()),
            tasks=tasks,
            most_tasks=most_tasks(tasks.limit)[0],
            on_disk=on_disk,
            disk_bytes=disk_bytes,
            disk_limit_bytes=self._disk_limit_bytes,
            resident=len(shares),
            downloading=self._downloading(),
            pinned=self._book.count_pinned(shares),
            failed=self._observed.history.failed(),
            workers=self._workers.counts(),
            top=heapq.nlargest(MOST_TOP, shares.values(), key=itemgetter(1)),
            shares=shares,
        )

    def _shares(self) -> dict[str, Share]:
        shares, usage_of = {}, self._workers.usage_of
        for name, workers in self._workers.resident().items():
            usage = usage_of(name)
            if usage is not None:
                target = usage.artifact.target
                shares[target] = Share(target, usage.own_bytes * workers, usage.in_flight)
        return shares
