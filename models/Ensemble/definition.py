"""What `ensemble.json` says: inputs, steps and outputs. `reading` makes it of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.Ensemble.elsewhere import TargetWork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.Ensemble.kinds import Kind
    from models.Ensemble.templates import Reference, Template
    from models.Ensemble.work import Work

FILE = "ensemble.json"
TRACE = "trace"
"""A key of requests and answers, so no name of an input or output."""
NOTHING = object()


@dataclass(frozen=True, slots=True)
class Input:
    """One value a request brings."""

    kind: Kind
    default: object = NOTHING

    @property
    def is_required(self) -> bool:
        """Whether a request must bring it."""
        return self.default is NOTHING


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    name: str
    work: Work
    each: Mapping[str, Reference]
    """What stands for an item -> the list: the work is done for each item."""
    when: Reference | None
    is_optional: bool
    """Whether the ensemble goes on if it fails."""
    otherwise: Template
    """Its value if it is left out or has failed."""
    kind: Kind
    """The declared type."""

    @property
    def asks(self) -> dict[str, str]:
        """Which model it asks, if any, as answers tell it."""
        if isinstance(self.work, TargetWork):
            return {"target": self.work.target}
        return {} if self.work.member is None else {"model": self.work.member}


@dataclass(frozen=True, slots=True)
class Output:
    """One value of the answer."""

    value: Template
    kind: Kind


@dataclass(frozen=True, slots=True)
class Definition:
    """All of it; steps in the order of the file."""

    inputs: Mapping[str, Input]
    steps: Mapping[str, Step]
    outputs: Mapping[str, Output]

    @property
    def targets(self) -> list[str]:
        """The target models that steps ask, each once."""
        works = [step.work for step in self.steps.values()]
        return list(dict.fromkeys(each.target for each in works if isinstance(each, TargetWork)))

    @property
    def members(self) -> list[str]:
        """The folders of the models that steps ask, each once."""
        asked = (step.work.member for step in self.steps.values())
        return list(dict.fromkeys(member for member in asked if member is not None))
