"""The engine with pipelines in it: what is no pipeline goes through to the models as it is.

Real-time, asynchronous and batch invocations all ask here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from mme.core.durations import Durations
from mme.core.errors import InvalidRequest
from mme.core.pipeline_key import SCHEME, PipelineKey, read_key
from mme.core.terms import PLAIN
from mme.pipelines.definition import steps_in
from mme.pipelines.running import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from mme.core.answer import Answer
    from mme.core.terms import Terms
    from mme.pipelines.definition import Pipeline, Step
    from mme.pipelines.running import Ask


class Models(Protocol):
    """The models."""

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request. Raises EndpointError."""


class NoSuchPipeline(InvalidRequest):
    """A queued request names a pipeline that the file has no more."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no pipeline {name!r}: MME_PIPELINES has it no more")


class PipelinedModels:
    """Models, and pipelines of them. All methods run on one event loop."""

    def __init__(
        self,
        models: Models,
        pipelines: Mapping[str, Pipeline],
        urls: Ask,
        timeout_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pipelines` are the operator's; `timeout_s` is what all steps together may take."""
        self._models = models
        self._pipelines = pipelines
        self._urls = urls
        self._timeout_s = timeout_s
        self._clock = clock
        self.durations = {
            (name, step.name): Durations()
            for name, pipeline in pipelines.items()
            for step in pipeline.steps
        }
        """How long steps took, by pipeline of the operator's and step; failures too."""

    def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Coroutine[Any, Any, Answer]:
        """Answer one request; `target` may be a pipeline's key. Raises EndpointError."""
        if target.startswith(SCHEME):
            return self._through(read_key(target), headers, body, terms)
        return self._models.invoke(target, headers, body, terms)

    def key(self, endpoint: str, target: str | None) -> str | None:
        """What an invocation of a pipeline asks for; None: there is none of that name.

        Raises InvalidRequest, TargetNeeded.
        """
        pipeline = self._pipelines.get(endpoint)
        if pipeline is None:
            return None
        pipeline.check_target(target)
        return str(PipelineKey(endpoint, target or ""))

    def of_any(self, holds: Callable[[str], bool]) -> Callable[[str], bool]:
        """Whether something holds of a model, or of one of a pipeline's models."""

        def of_key(key: str) -> bool:
            if not key.startswith(SCHEME):
                return holds(key)
            return any(holds(step.key) for step in self._steps_of(read_key(key)) if not step.url)

        return of_key

    async def _through(
        self, key: PipelineKey, headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Answer:
        run = Run(key.name, self._ask, self._timeout_s, self._clock)
        try:
            return await run.through(self._steps_of(key), headers, body, terms)
        finally:
            run.tell(terms.request_id)
            if not key.steps:
                for name, seconds in run.times:
                    self.durations[key.name, name].add(seconds)

    def _steps_of(self, key: PipelineKey) -> tuple[Step, ...]:
        if key.steps:
            return steps_in(key)
        pipeline = self._pipelines.get(key.name)
        if pipeline is None:
            raise NoSuchPipeline(key.name)
        return pipeline.steps_for(key.target)

    def _ask(
        self, step: Step, headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Coroutine[Any, Any, Answer]:
        if step.url:
            return self._urls(step, headers, body, terms)
        return self._models.invoke(step.key, headers, body, terms)
