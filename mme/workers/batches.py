"""Which waiting requests of a model go to a worker as one batch, and how large batches were.

Pure. Only what waits already goes together: nobody waits for company. Which worker takes the first
of them, and when, is for `dispatch.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mme.core.door import MOST_TOGETHER
from mme.workers.times import SLOW_S

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Mapping

    from mme.workers.given import R

BATCH_S = SLOW_S
"""A batch is no larger than what is computed in so long: others wait behind it."""
SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Upper ends of the classes of sizes; above the last one is one more."""


@dataclass(frozen=True, slots=True)
class Batch:
    """How much one computing takes."""

    most: int
    """Requests."""
    most_bytes: int
    """Of all their bodies."""


def batch_of(details: Mapping[str, Any], most: int) -> Batch | None:
    """What a model's description says of batches, for at most `most` requests; None: none.

    What it says may be hostile.
    """
    said = details.get("batch")
    if not isinstance(said, dict):
        return None
    count, size = said.get("max_requests"), said.get("max_bytes")
    if type(count) is not int or type(size) is not int or min(count, size) < 1:
        return None
    count = min(count, most, MOST_TOGETHER)
    return Batch(count, size) if count > 1 else None


def take(queue: deque[R], average_s: float) -> list[R]:
    """Take out of a model's queue its first request, and those next to it that go along.

    `average_s` is what the model takes over one.
    """
    first = queue.popleft()
    taken = [first]
    batch = first.batch
    if batch is None:
        return taken
    size_bytes = first.size_bytes
    while queue and len(taken) < batch.most and (len(taken) + 1) * average_s <= BATCH_S:
        size_bytes += queue[0].size_bytes
        if queue[0].batch is None or size_bytes > batch.most_bytes:
            break
        taken.append(queue.popleft())
    return taken


@dataclass(eq=False, slots=True)
class BatchSizes:
    """How many requests went to workers at once, of models that take several."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SIZES) + 1))
    """One for each of SIZES, and one for those above."""
    requests: int = 0

    def note(self, size: int) -> None:
        """A batch has gone."""
        self.counts[bisect_left(SIZES, size)] += 1
        self.requests += size
