"""Which instances, and how many of them, meet a target for the least money.

Candidates are tried from the cheapest on, so the first that meets the target is the answer. What
cannot do better than one that failed (no more of them, no more memory, no more cores) is not tried
at all, nor is what has too few cores for the work that there is. Trying is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mme.planning.outcome import Outcome
    from mme.planning.prices import Instance
    from mme.planning.target import Target

USABLE = 0.9
"""Of an instance's memory what a container has: the rest is the host's."""
BUSIEST = 0.95
"""Of all cores' time, more than that is never met: queues would grow without end."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Some instances of one type."""

    instance: Instance
    count: int

    @property
    def month_usd(self) -> float:
        """Of all of them."""
        return self.instance.month_usd(self.count)

    @property
    def memory_bytes(self) -> int:
        """What the endpoint of each may use."""
        return int(self.instance.memory_bytes * USABLE)

    def is_no_better_than(self, other: Candidate) -> bool:
        """Whether it has no more of anything than another one."""
        return (
            self.count <= other.count
            and self.instance.memory_bytes <= other.instance.memory_bytes
            and self.instance.cores <= other.instance.cores
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate and what came of it."""

    candidate: Candidate
    outcome: Outcome
    is_met: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer, and all that was tried for it, in that order."""

    chosen: Tried | None
    tried: Sequence[Tried]
    untried: int
    """Candidates that others, or the work there is, ruled out."""


def candidates(instances: Iterable[Instance], counts: Iterable[int]) -> list[Candidate]:
    """All there are, the cheapest first; of two at one price the one with fewer instances."""
    numbers = list(counts)
    return sorted(
        (Candidate(instance, count) for instance in instances for count in numbers),
        key=lambda each: (each.month_usd, each.count, each.instance.name),
    )


def cheapest(
    offered: Sequence[Candidate],
    replay: Callable[[Candidate], Outcome],
    target: Target,
    *,
    busy_cores: float,
) -> Choice:
    """The first of `offered`, cheapest first, that meets the target.

    `busy_cores`: how many cores the trace keeps busy on average, on however many.
    """
    tried: list[Tried] = []
    untried = 0
    for candidate in offered:
        cores = candidate.count * candidate.instance.cores
        is_ruled_out = any(candidate.is_no_better_than(each.candidate) for each in tried)
        if is_ruled_out or cores * BUSIEST < busy_cores:
            untried += 1
            continue
        outcome = replay(candidate)
        tried.append(Tried(candidate, outcome, target.met_by(outcome)))
        if tried[-1].is_met:
            return Choice(tried[-1], tried, untried)
    return Choice(None, tried, untried)
