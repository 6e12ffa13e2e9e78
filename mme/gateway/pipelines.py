"""The operator's pipelines where management shows models: listed, described, never changed.

A pipeline has no memory and no artifact of its own: it stands where its steps' models stand. What
is asked of it goes to these, where that can only help (a load, a sample request), or is refused
with their names (what one pipeline does not need any more another may). Where a container of a step
is, is not told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from mme.core.errors import EndpointError, InvalidRequest, NotLoaded
from mme.core.names import S3_SCHEME
from mme.residency.views import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mme.pipelines.definition import Pipeline, Step
    from mme.residency.views import ModelView

MISSING = "missing"
"""The state of a model that is neither here nor in the store."""
COLDEST_FIRST: Sequence[str] = (
    MISSING, State.IN_STORE, State.DOWNLOADING, State.ON_DISK, State.LOADING, State.READY,
)  # fmt: skip


class Models(Protocol):
    """The models that steps ask."""

    async def describe(self, target: str) -> ModelView:
        """One model that is here or in the store. Raises NotOffered, EndpointError."""


class PipelineViews:
    """The pipelines by name, as they stand now."""

    def __init__(self, pipelines: Mapping[str, Pipeline], models: Models) -> None:
        self._pipelines = pipelines
        self._models = models

    def __contains__(self, name: str) -> bool:
        return name in self._pipelines

    async def listed(self, prefix: str) -> list[dict[str, object]]:
        """All whose names begin so, in the order of these."""
        names = sorted(name for name in self._pipelines if name.startswith(prefix))
        states = await self._states(name for each in names for name in self.models(each))
        return [_view(self._pipelines[name], states) for name in names]

    async def view(self, name: str) -> dict[str, object]:
        """One, with its steps."""
        return _view(self._pipelines[name], await self._states(self.models(name)))

    async def why(self, name: str) -> dict[str, object]:
        """Why it is in its state."""
        pipeline, view = self._pipelines[name], await self.view(name)
        states = await self._states(self.models(name))
        steps = "; ".join(_in_words(step, states) for step in pipeline.steps)
        why = f"{name} is a pipeline, which is as warm as the coldest of its models. {steps}."
        return {"pipeline": name, "state": view["state"], "why": why, "steps": view["steps"]}

    def models(self, name: str) -> Sequence[str]:
        """The models of its steps, each once; not those that requests choose."""
        steps = self._pipelines[name].steps
        return list(dict.fromkeys(step.key for step in steps if step.key and not step.is_targeted))

    def first_model(self, name: str) -> str:
        """The model whose requests are the pipeline's. Raises InvalidRequest: there is none."""
        first = self._pipelines[name].steps[0]
        if first.url or first.is_targeted:
            what = "another container" if first.url else "a model that requests choose"
            raise InvalidRequest(
                f"{name!r} is a pipeline whose first step is {what}: there is no sample request"
            )
        return first.key

    def check_no_pipeline(self, name: str) -> None:
        """Raise InvalidRequest for a pipeline, with the models that are meant."""
        if name in self._pipelines:
            models = ", ".join(self.models(name)) or "its steps are other containers"
            raise InvalidRequest(
                f"{name!r} is a pipeline and has no memory of its own; its models: {models}"
            )

    async def _states(self, targets: Iterable[str]) -> dict[str, str]:
        """The states of models; one that the store says nothing of is not among them."""
        wanted = list(dict.fromkeys(targets))
        found = await asyncio.gather(*map(self._state, wanted))
        return {target: state for target, state in zip(wanted, found, strict=True) if state}

    async def _state(self, target: str) -> str:
        try:
            return (await self._models.describe(target)).state.value
        except NotLoaded:
            # Of what is elsewhere than in the store it is not told whether it is there.
            return "" if target.startswith(S3_SCHEME) else MISSING
        except EndpointError:
            return ""


def _view(pipeline: Pipeline, states: Mapping[str, str]) -> dict[str, object]:
    known = [states[step.key] for step in pipeline.steps if step.key in states]
    return {
        "pipeline": pipeline.name,
        "state": min(known, key=COLDEST_FIRST.index, default=State.READY.value),
        "takes_target_model": pipeline.is_targeted,
        "steps": [_step(step, states) for step in pipeline.steps],
    }


def _step(step: Step, states: Mapping[str, str]) -> dict[str, object]:
    if step.url:
        return {"name": step.name, "is_container": True}
    if step.is_targeted:
        return {"name": step.name, "targets": step.key}
    told: dict[str, object] = {"name": step.name, "target_model": step.key}
    return told | ({"state": states[step.key]} if step.key in states else {})


def _in_words(step: Step, states: Mapping[str, str]) -> str:
    if step.url:
        return f"Step {step.name}: another container, of which nothing is known here"
    if step.is_targeted:
        return f"Step {step.name}: a model of {step.key or 'the store'} that the request names"
    return f"Step {step.name}: {step.key}, {states.get(step.key, 'of which nothing is known')}"
