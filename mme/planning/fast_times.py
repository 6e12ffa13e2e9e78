"""How long models take to answer, as `ModelTimes` has it, for models that are numbers.

Where there are no more models than are remembered, none is forgotten, and nothing is kept of who
was noted last.
"""

from __future__ import annotations

from collections import OrderedDict

from mme.workers.times import MOST_TIMES, NEWEST_SHARE, QUICK_S, SLOW_S

UNKNOWN_S = -1.0


class NumberedTimes:
    """Averages by model; `most`: how many models' are remembered."""

    def __init__(self, models: int, most: int = MOST_TIMES) -> None:
        self.average_s = [UNKNOWN_S] * models
        self.forgets = models > most
        self._most = most
        self.noted: OrderedDict[int, None] = OrderedDict()
        """The last one noted last."""

    def note(self, model: int, took_s: float) -> None:
        """A request has been answered."""
        known_s = self.average_s[model]
        if known_s < 0 or took_s > SLOW_S:
            self.average_s[model] = took_s
        else:
            self.average_s[model] = known_s + NEWEST_SHARE * (took_s - known_s)
        if self.forgets:
            self.noted[model] = None
            self.noted.move_to_end(model)
            if len(self.noted) > self._most:
                self.average_s[self.noted.popitem(last=False)[0]] = UNKNOWN_S

    def is_slow(self, model: int) -> bool:
        """Whether its requests would keep a worker from others for long."""
        return self.average_s[model] > SLOW_S

    def is_quick(self, model: int) -> bool:
        """Whether a request may wait behind one of its."""
        return 0 <= self.average_s[model] < QUICK_S
