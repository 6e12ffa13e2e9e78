"""One request through the steps of a pipeline, within one deadline; whoever fails is named.

The time that models take to be brought in does not count, as it does not elsewhere. A caller that
leaves takes the step that is under way with it. An answer that is read in parts comes in parts from
the last step alone.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from mme.core.errors import EndpointError, ModelFailed, ModelTimedOut, TargetNotFound
from mme.core.log_format import REQUEST_ID
from mme.core.terms import Terms
from mme.core.timing import StepTime, Timing
from mme.pipelines.headers import after, of_caller, of_step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mme.core.answer import Answer
    from mme.pipelines.definition import Step

log = logging.getLogger(__name__)

BETWEEN_BYTES = 5 * 1024 * 1024
"""Most that one step may give to the next."""
NO_ANSWER = 0
SUCCESSES = range(200, 300)


class Ask(Protocol):
    """A model, or another container."""

    async def __call__(
        self, step: Step, headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Answer:
        """The step's answer. Raises EndpointError."""


@dataclass(slots=True)
class Run:
    """One request under way."""

    name: str
    """Of the pipeline."""
    ask: Ask
    timeout_s: float
    """For all steps, if the request's terms say nothing."""
    clock: Callable[[], float] = time.monotonic
    times: list[StepTime] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """What the log says of each step."""
    timing: Timing = field(default_factory=Timing)

    async def through(
        self, steps: Sequence[Step], headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Answer:
        """The last answer, or the first that is an error. Raises EndpointError."""
        carried = of_caller(headers)
        total_s = left_s = self.timeout_s if terms.timeout_s is None else terms.timeout_s
        cold = is_first = False
        for number, step in enumerate(steps, 1):
            is_last = number == len(steps)
            if left_s <= 0:
                raise self._named(step, _late(step, total_s))
            sent = of_step(step, carried, is_last=is_last)
            began_s = self.clock()
            try:
                answer = await self.ask(step, sent, body, _terms_of(step, terms, left_s, is_last))
            except EndpointError as error:
                self._took(step, began_s, type(error).__name__, len(body))
                raise self._failed(step, error, left_s, total_s) from None
            took_s = self._took(step, began_s, f"{answer.status} {len(answer.body)}", len(body))
            self.timing.add(Timing(model_s=took_s) if step.url else answer.timing)
            left_s -= took_s - answer.timing.fetch_s
            cold, is_first = cold or answer.cold, is_first or answer.is_first
            if is_last or answer.status not in SUCCESSES:
                return replace(
                    answer, cold=cold, target="", version="", is_first=is_first,
                    timing=self.timing, steps=tuple(self.times),
                )  # fmt: skip
            if len(answer.body) > BETWEEN_BYTES:
                raise self._named(step, _too_large(step, answer))
            carried, body = after(carried, answer), answer.body
        raise AssertionError  # there are steps

    def tell(self, request_id: str) -> None:
        """Write the line of the log on what was done."""
        if log.isEnabledFor(logging.DEBUG):
            steps = "; ".join(self.told) or "no step"
            log.debug("pipeline %s: %s", self.name, steps, extra={REQUEST_ID: request_id})

    def _took(self, step: Step, began_s: float, came: str, sent_bytes: int) -> float:
        seconds = self.clock() - began_s
        self.times.append(StepTime(step.name, seconds))
        self.told.append(f"{step.name} {seconds * 1000:.1f} ms {sent_bytes} -> {came}")
        return seconds

    def _failed(
        self, step: Step, error: EndpointError, left_s: float, total_s: float
    ) -> EndpointError:
        """An error of a step as the pipeline's."""
        if error.timing is not None:
            self.timing.add(error.timing)
        own_s = step.timeout_s
        if isinstance(error, ModelTimedOut) and (own_s is None or own_s >= left_s):
            late = _late(step, total_s)
            late.outcome = error.outcome
            return self._named(step, late)
        if isinstance(error, TargetNotFound) and step.target:
            return self._named(step, error.named(step.target))
        return self._named(step, error.anew())

    def _named(self, step: Step, error: EndpointError) -> EndpointError:
        """The error, which is not raised yet, with the step in what callers are told."""
        if isinstance(error, ModelFailed):
            times = self.times
            if not times or times[-1].name != step.name:
                times = [*times, StepTime(step.name, 0.0)]
            error.steps = tuple(times)
        error.message = f"Step {step.name!r} of the pipeline {self.name!r}: {error.message}"
        error.timing = self.timing
        return error


def _terms_of(step: Step, terms: Terms, left_s: float, is_last: bool) -> Terms:
    timeout_s = left_s if step.timeout_s is None else min(left_s, step.timeout_s)
    if is_last:
        return replace(terms, timeout_s=timeout_s)
    return Terms(timeout_s, BETWEEN_BYTES, request_id=terms.request_id)


def _late(step: Step, total_s: float) -> ModelTimedOut:
    error = ModelTimedOut(step.name, total_s)
    error.body = f"The steps of the pipeline have not answered within {total_s:g} s"
    return error


def _too_large(step: Step, answer: Answer) -> ModelFailed:
    size_bytes = len(answer.body)
    reason = f"its answer has {size_bytes} bytes; between steps may be {BETWEEN_BYTES}"
    return ModelFailed(step.name, NO_ANSWER, reason)
