"""How long models take to answer, as far as it matters: are they slow, quick, or neither."""

from __future__ import annotations

from collections import OrderedDict

SLOW_S = 0.25
"""A model whose requests take longer is slow."""
QUICK_S = 0.005
"""A model whose requests take less is quick."""
NEWEST_SHARE = 0.3
"""Weight of the newest request in the average of a model's times."""
MOST_TIMES = 20_000
"""How many models' times are remembered."""


class ModelTimes:
    """Averages by model; what was noted longest ago is forgotten. A model unknown is neither."""

    def __init__(self, most: int = MOST_TIMES) -> None:
        self._most = most
        # Taking the oldest out of a plain dict would pass over the places of all taken before.
        self._times_s: OrderedDict[str, float] = OrderedDict()

    def note(self, model: str, took_s: float) -> None:
        """A request has been answered. A slow one counts at once, a quick one by and by."""
        known_s = self._times_s.pop(model, took_s)
        average_s = known_s + NEWEST_SHARE * (took_s - known_s)
        self._times_s[model] = took_s if took_s > SLOW_S else average_s
        if len(self._times_s) > self._most:
            self._times_s.popitem(last=False)

    def average_s(self, model: str) -> float:
        """What it takes over a request, on average; 0 where nothing is known."""
        return self._times_s.get(model, 0.0)

    def is_slow(self, model: str) -> bool:
        """Whether its requests would keep a worker from others for long."""
        return self._times_s.get(model, 0.0) > SLOW_S

    def is_quick(self, model: str) -> bool:
        """Whether a request may wait behind one of its."""
        return self._times_s.get(model, QUICK_S) < QUICK_S
