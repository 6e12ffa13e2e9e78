"""A model's answer to one request, as every room sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.core.timing import StepTime, Timing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.statistics import Outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to one request; `cold` if the model had to come into memory for it."""

    status: int
    """HTTP status, 100 to 599: errors of the model are answers too."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    cold: bool
    target: str = ""
    """The target model that answered: what an alias meant."""
    version: str = ""
    """Of its artifact, as the store has it."""
    is_first: bool = False
    """Whether its artifact had to come to this disk for it."""
    timing: Timing = field(default_factory=Timing, compare=False)
    steps: tuple[StepTime, ...] = field(default=(), compare=False)
    """Of a pipeline, those that were run; the last one gave the answer."""

    @property
    def speaker(self) -> str:
        """Who gave it, as callers are told of an error: the step, or "model"."""
        return self.steps[-1].name if self.steps else "model"

    @property
    def who(self) -> str:
        """The same in a sentence."""
        return f"step {self.speaker}" if self.steps else "the model"

    @property
    def outcome(self) -> Outcome:
        """How warm the model was."""
        return "first" if self.is_first else "cold" if self.cold else "warm"
