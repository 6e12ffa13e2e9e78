"""How models are used: what eviction policies go by, and whether a model ends its workers.

Counts only; which model leaves is decided in `mme.memory`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.memory.policy import Candidate, decayed
from mme.workers.batches import batch_of

if TYPE_CHECKING:
    from mme.core.artifact import Admitted
    from mme.workers.batches import Batch

MOST_KNOWN = 20_000
DEADLY = 3.0
"""So many deaths of workers while they computed for a model give it a process of its own."""
ANSWER_WEIGHT = 0.02
"""How much of a death an answer makes up for: who answers is not to blame for others' signals."""
ALONE_ANSWERS = 50
"""So many answers a model gives one by one after a worker has ended over several at once."""


@dataclass(slots=True)
class Usage:
    """One model's."""

    artifact: Admitted
    in_flight: int = 0
    answers: int = 0
    uses: float = 0.0
    """Uses, older ones counting for less, as of `used_at_s`."""
    used_at_s: float = 0.0
    load_s: float = 0.0
    own_bytes: int = 0
    measured_at: int = 0
    """How many answers it had given when its own worker was last measured."""
    deaths: float = 0.0
    batch: Batch | None = None
    """What the model takes at once; None: one request."""
    alone_until: int = 0
    """How many answers it must have given before it takes several at once."""

    @property
    def batch_now(self) -> Batch | None:
        """What it takes at once now."""
        return self.batch if self.answers >= self.alone_until else None


class UsageBook:
    """All models' usage; what was used longest ago is forgotten. The event loop owns it."""

    def __init__(self, most: int = MOST_KNOWN, *, most_together: int = 1) -> None:
        """`most_together`: how many requests a model is given at once, at most."""
        self._most = most
        self._most_together = most_together
        self._usages: OrderedDict[str, Usage] = OrderedDict()

    def of(self, artifact: Admitted) -> Usage:
        """The usage of a model, a new one if there is none."""
        usage = self._usages.get(artifact.name)
        if usage is None:
            usage = Usage(artifact, load_s=artifact.findings.load_s)
            usage.own_bytes = artifact.findings.own_bytes
            usage.batch = batch_of(artifact.findings.details, self._most_together)
            self._usages[artifact.name] = usage
            if len(self._usages) > self._most:
                self._forget_oldest()
        return usage

    def get(self, name: str) -> Usage | None:
        """The usage of a model, if it is known."""
        return self._usages.get(name)

    def used(self, usage: Usage, now_s: float) -> None:
        """A request has ended."""
        usage.uses = decayed(usage.uses, now_s - usage.used_at_s) + 1.0
        usage.used_at_s = now_s
        usage.answers += 1
        usage.deaths = max(0.0, usage.deaths - ANSWER_WEIGHT)
        self._usages.move_to_end(usage.artifact.name)

    def died(self, usage: Usage) -> bool:
        """A worker ended while it computed for the model; whether that was once too often."""
        usage.deaths += 1.0
        return usage.deaths >= DEADLY

    def died_in_batch(self, name: str) -> None:
        """A worker ended over several requests to a model: for a while it is given one at a time.

        Whose doing it was shows when each is computed alone.
        """
        usage = self._usages.get(name)
        if usage is not None:
            usage.alone_until = usage.answers + ALONE_ANSWERS

    def _forget_oldest(self) -> None:
        for name, usage in self._usages.items():
            if usage.in_flight == 0:
                del self._usages[name]
                return


def candidate(usage: Usage, own_bytes: int, tasks: int) -> Candidate:
    """A model as a policy sees it."""
    return Candidate(
        name=usage.artifact.name,
        own_bytes=own_bytes,
        tasks=tasks,
        load_s=usage.load_s,
        last_used_s=usage.used_at_s,
        uses=usage.uses,
    )
