"""What a pipeline is: steps, each a target model, the one a caller chooses, or another container.

Pure. How steps are run is in `running.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mme.core.errors import InvalidRequest, TargetNeeded

if TYPE_CHECKING:
    from mme.core.pipeline_key import PipelineKey

FEWEST_STEPS, MOST_STEPS = 2, 15
"""As on SageMaker."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    name: str
    key: str = ""
    """What the engine calls its model; of the step that is chosen, what targets are joined to."""
    is_targeted: bool = False
    """Whether the caller's target model says which model it is."""
    url: str = ""
    """Of another container; there is no model then."""
    target: str = ""
    """What the caller named, once it has."""
    accept: str = ""
    """What is asked of it; "": what the caller wants, of the last one, and nothing of others."""
    timeout_s: float | None = None
    """Most it may take; None: whatever is left for all."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All steps, in order."""

    name: str
    steps: tuple[Step, ...]

    @property
    def is_targeted(self) -> bool:
        """Whether requests have to name a target model."""
        return any(step.is_targeted for step in self.steps)

    def check_target(self, target: str | None) -> None:
        """Raise InvalidRequest for a target where none is needed, TargetNeeded for none."""
        if self.is_targeted and not target:
            raise TargetNeeded(f"Endpoint {self.name!r}")
        if target and not self.is_targeted:
            raise InvalidRequest(
                f"Endpoint {self.name!r} is a pipeline without a step that requests choose, so"
                " name no target model"
            )

    def steps_for(self, target: str) -> tuple[Step, ...]:
        """The steps of a request, the chosen one with its model. Raises as `check_target` does."""
        self.check_target(target)
        return tuple(
            replace(step, key=step.key + target, target=target) if step.is_targeted else step
            for step in self.steps
        )


def steps_in(key: PipelineKey) -> tuple[Step, ...]:
    """The steps that a key has in it."""
    return tuple(
        Step(step.name, step.key, is_targeted=bool(step.target), target=step.target)
        for step in key.steps
    )
