"""Where the time of invocations, loads and downloads went: in all, and since it was last taken.

Sums for those who collect metrics, of ensembles' steps as well; where the time of one invocation
went is in `timing.py`, how many there were and how long they took is in `statistics.py`. The event
loop owns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from mme.core.durations import Durations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.events import Event
    from mme.core.timing import Timing

Stage = Literal["fetch", "queue", "load", "model"]
STAGES: tuple[Stage, ...] = get_args(Stage)
Work = Literal[
    "wait", "latency", "overhead", "loading", "platform_loading", "unloading", "downloading"
]
"""What an invocation waited for its model to come, what the model took with its queue, what is left
of the invocation; and what loads into memory, loads that a platform asked for, unloads and
downloads took, whoever waited for them."""
FACTS: Mapping[str, Work] = {
    "load_s": "loading",
    "platform_load_s": "platform_loading",
    "unload_s": "unloading",
    "fetch_s": "downloading",
}
"""Facts of events that are durations, and of what."""

MOST_STEPS = 2_000


class Spent:
    """All of it."""

    def __init__(self) -> None:
        self.stages: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
        """Seconds, of all invocations that were answered."""
        self.steps: dict[tuple[str, str], Durations] = {}
        """By target and step. Of more than MOST_STEPS those that came first."""
        self.evicted_bytes = 0
        self._recent = _none()
        self._before = _none()

    def answered(self, timing: Timing, seconds: float, *, is_warm: bool) -> None:
        """An invocation of so many seconds was answered."""
        stages, recent = self.stages, self._recent
        queue_s, model_s = timing.queue_s, timing.model_s
        stages["queue"] += queue_s
        stages["model"] += model_s
        latency_s = queue_s + model_s
        overhead_s = seconds - latency_s
        if not is_warm:
            stages["fetch"] += timing.fetch_s
            stages["load"] += timing.load_s
            wait_s = timing.fetch_s + timing.load_s
            recent["wait"].add(wait_s)
            overhead_s -= wait_s
        recent["latency"].add(latency_s)
        recent["overhead"].add(max(0.0, overhead_s))

    def stepped(self, target: str, steps_s: Mapping[str, float]) -> None:
        """An ensemble's steps took so many seconds, by name."""
        for name, seconds in steps_s.items():
            known = self.steps.get((target, name))
            if known is None:
                if len(self.steps) >= MOST_STEPS:
                    continue
                known = self.steps[target, name] = Durations()
            known.add(seconds)

    def heard(self, event: Event) -> None:
        """Something has happened that may have taken time."""
        for fact, value in event.facts.items():
            work = FACTS.get(fact)
            if work is not None and isinstance(value, float):
                self._recent[work].add(value)
        freed_bytes = event.facts.get("freed_bytes")
        if isinstance(freed_bytes, int):
            self.evicted_bytes += freed_bytes

    def whole(self) -> dict[Work, Durations]:
        """All since the start."""
        return {work: self._before[work].with_all_of(self._recent[work]) for work in self._recent}

    def take(self) -> dict[Work, Durations]:
        """What came since this was last called."""
        recent, self._before = self._recent, self.whole()
        self._recent = _none()
        return recent


def _none() -> dict[Work, Durations]:
    return {work: Durations() for work in get_args(Work)}
