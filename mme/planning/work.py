"""How long each request of a trace is worked at, warm or cold: drawn from what models cost.

Where the trace itself says how long a request took, that is taken. The same trace and costs give
the same times, however the trace is cut into chunks of the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from mme.planning.costs import Cost, Costs
    from mme.planning.trace import Trace

SEED = 20150622


@dataclass(frozen=True, slots=True)
class Work:
    """Seconds of a worker for each request of a chunk."""

    warm_s: NDArray[np.float64]
    cold_s: NDArray[np.float64]
    """With loading the model first."""


class Drawing:
    """Draws for one replay; `names` are all models of its trace."""

    def __init__(self, names: Sequence[str], costs: Costs) -> None:
        self._random = np.random.default_rng(SEED)
        kinds: dict[Cost, int] = {}
        self._kind = np.fromiter(
            (kinds.setdefault(costs.of(name), len(kinds)) for name in names), np.int32, len(names)
        )
        self._kinds = list(kinds)
        self._warm = _table([kind.service_s for kind in self._kinds])
        self._cold = _table([kind.cold_service_s or kind.service_s for kind in self._kinds])
        self._load = _table([kind.load_s for kind in self._kinds])
        most_cold_s = self._cold.max(axis=1) + self._load.max(axis=1)
        self.most_s = max(float(self._warm.max()), float(most_cold_s.max()))
        """No request that is drawn is worked at for longer."""

    def of(self, chunk: Trace) -> Work:
        """The work of a chunk's requests."""
        kind = self._kind[chunk.model]
        at = self._random.random(len(kind))
        # What makes computing slow, a busy machine or a large request, makes the load slow as well.
        load_s = _drawn(self._load, kind, at)
        work = Work(_drawn(self._warm, kind, at), _drawn(self._cold, kind, at) + load_s)
        if chunk.service_s is None:
            return work
        said_s = chunk.service_s.astype(np.float64)
        is_said = ~np.isnan(said_s)
        like_s = _drawn(self._load, kind, self._rank(kind, np.nan_to_num(said_s)))
        load_s = np.where(is_said, like_s, load_s)
        self.most_s = max(self.most_s, float((said_s + load_s)[is_said].max(initial=0.0)))
        return Work(
            np.where(is_said, said_s, work.warm_s), np.where(is_said, said_s + load_s, work.cold_s)
        )

    def _rank(self, kind: NDArray[np.int32], cold_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The share of a model's answers after a load that take no longer than each of these."""
        width = self._cold.shape[1]
        if width == 1:
            return np.full(len(kind), 0.5)
        reached = np.zeros(len(kind), np.int64)
        for column in self._cold.T:
            reached += column[kind] <= cold_s
        below = np.clip(reached - 1, 0, width - 2)
        low_s = self._cold[kind, below]
        apart_s = np.maximum(self._cold[kind, below + 1] - low_s, np.finfo(float).tiny)
        part = np.clip((cold_s - low_s) / apart_s, 0.0, 1.0)
        rank: NDArray[np.float64] = (below + part) / (width - 1)
        return rank

    def each(self, fact: Callable[[Cost], float]) -> list[float]:
        """A fact of each model's cost, in the order of the names."""
        facts = np.array([fact(kind) for kind in self._kinds])
        return [float(each) for each in facts[self._kind]]


def _table(samples: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """A row for each kind of model: its quantiles at even distances, as many in each row."""
    width = max(map(len, samples))
    at = np.linspace(0.0, 1.0, width)
    return np.array([np.interp(at, np.linspace(0.0, 1.0, len(row)), row) for row in samples])


def _drawn(
    table: NDArray[np.float64], kind: NDArray[np.int32], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    width = table.shape[1]
    if width == 1:
        only_s: NDArray[np.float64] = table[kind, 0]
        return only_s
    place = at * (width - 1)
    below = np.minimum(place.astype(np.int64), width - 2)
    part = place - below
    low_s: NDArray[np.float64] = table[kind, below]
    high_s: NDArray[np.float64] = table[kind, below + 1]
    drawn_s: NDArray[np.float64] = low_s + (high_s - low_s) * part
    return drawn_s
