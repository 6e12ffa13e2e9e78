"""What comes of the calls of a fast replay: supposed for a part of the trace at once, then counted.

A call is supposed to be plain: warm, and computed when it came. Of the others, each is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mme.planning.tally import Tally

PENDING = 4
"""Instead of a kind, while it is not known."""


class Ends:
    """Of one replay; `added_s` is what each takes beside its worker's time."""

    def __init__(self, tally: Tally, added_s: float) -> None:
        self._tally = tally
        self.added_s = added_s
        self.base = 0
        """The index of the first request of this part."""
        self.busy_s = 0.0
        self._warm_s: NDArray[np.float64] = np.zeros(0)
        self._latencies_s: NDArray[np.float64] = np.zeros(0)
        self._kinds = bytearray()
        self._aside: list[int] = []
        """The places of the calls that were not plain."""
        self._over: list[tuple[int, float, int, int, float]] = []
        """Calls of earlier parts, as they become known."""

    def begin(self, warm_s: NDArray[np.float64]) -> None:
        """The next part is replayed; `warm_s`: what its calls take if they are plain."""
        self._warm_s = warm_s
        self._latencies_s = warm_s + self.added_s
        self._kinds = bytearray(len(warm_s))
        self._aside.clear()

    def set_aside(self, place: int) -> None:
        """A call of this part is not plain; what comes of it will be known."""
        self._aside.append(place)
        self._kinds[place] = PENDING

    def known(self, index: int, model: int, asked_s: float, kind: int, latency_s: float) -> None:
        """What has come of a call set aside, or will come for sure."""
        place = index - self.base
        if place >= 0:
            self._kinds[place] = kind
            self._latencies_s[place] = latency_s
        else:
            self._over.append((index, asked_s, model, kind, latency_s))

    def end(self, at_s: NDArray[np.float64], model: NDArray[np.int32]) -> None:
        """A part has been replayed: count what is known by now."""
        kind = np.frombuffer(bytes(self._kinds), np.int8)
        known = np.flatnonzero(kind != PENDING)
        self._tally.add(
            self.base + known, at_s[known], model[known], kind[known], self._latencies_s[known]
        )
        aside = np.array(self._aside, np.int64)
        self.busy_s += float(self._warm_s.sum() - self._warm_s[aside].sum())
        if self._over:
            index, asked_s, models, kinds, late_s = zip(*self._over, strict=True)
            self._tally.add(
                np.array(index), np.array(asked_s), np.array(models, np.int32),
                np.array(kinds, np.int8), np.array(late_s),
            )  # fmt: skip
            self._over.clear()
        self.base += len(at_s)
