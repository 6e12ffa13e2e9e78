"""A trace dealt out to several instances, each of which has its own share of the models.

By a hash of their names, as `deploy/haproxy` routes, and as SageMaker comes near to, which sends a
model's requests where it is loaded. The instances' outcomes are joined into one.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mme.planning.outcome import Histogram
from mme.planning.simulate import simulate
from mme.planning.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from mme.planning.costs import Costs
    from mme.planning.machine import Machine
    from mme.planning.outcome import Outcome

    Progress = Callable[[int, float], None]


def replayed(
    chunks: Callable[[], Iterable[Trace]],
    costs: Costs,
    machine: Machine,
    count: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """What comes of a trace on so many machines. `chunks` gives it from its beginning, each time.

    `progress` is told how many requests were replayed, and up to which second.
    """
    if count == 1:
        return simulate(chunks(), costs, machine, progress=progress)
    outcomes: list[Outcome] = []
    for number in range(count):
        before = sum(outcome.requests for outcome in outcomes)
        told = None if progress is None else _after(before, progress)
        outcomes.append(simulate(_share(chunks(), number, count), costs, machine, progress=told))
    return joined(outcomes)


def _after(before: int, progress: Progress) -> Progress:
    return lambda requests, at_s: progress(before + requests, at_s)


@dataclass(slots=True)
class _Dealing:
    """Which of the names go to which instance; reckoned once for names that stay the same."""

    number: int
    count: int
    names: Sequence[str] = ()
    mine: NDArray[np.bool_] | None = None

    def of(self, names: Sequence[str]) -> NDArray[np.bool_]:
        if self.mine is None or self.names is not names:
            owners = np.fromiter(
                (zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in names),
                np.uint32,
                len(names),
            )
            self.names, self.mine = names, owners % np.uint32(self.count) == self.number
        return self.mine


def _share(chunks: Iterable[Trace], number: int, count: int) -> Iterator[Trace]:
    dealing = _Dealing(number, count)
    for chunk in chunks:
        is_mine = dealing.of(chunk.names)[chunk.model]
        took_s = None if chunk.service_s is None else chunk.service_s[is_mine]
        yield Trace(chunk.at_s[is_mine], chunk.model[is_mine], chunk.names, took_s)


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """One outcome of several machines': counts together, the fullest one's memory, all cores."""
    first = max(outcomes, key=lambda each: each.requests)
    latencies = Histogram(
        np.sum([each.latencies.counts for each in outcomes], axis=0),
        sum(each.latencies.seconds for each in outcomes),
    )
    added = (
        "requests", "warm", "cold", "first", "refused", "evictions", "evicted_for_memory",
        "evicted_from_disk", "busy_s", "cores",
    )  # fmt: skip
    return replace(
        first,
        latencies=latencies,
        duration_s=max(each.duration_s for each in outcomes),
        peak_bytes=max(each.peak_bytes for each in outcomes),
        peak_workers=max(each.peak_workers for each in outcomes),
        notes=tuple(dict.fromkeys(note for each in outcomes for note in each.notes)),
        top=tuple(
            sorted((each for one in outcomes for each in one.top), key=lambda each: -each.requests)
        )[: len(first.top)],
        **{name: sum(getattr(each, name) for each in outcomes) for name in added},
    )
