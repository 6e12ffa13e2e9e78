"""What an endpoint is observed by: events, counts of invocations, the last of each target."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError, InvalidRequest, TargetNotFound
from mme.core.events import Events
from mme.core.statistics import LEFT, Statistics
from mme.residency.history import History

if TYPE_CHECKING:
    from mme.core.answer import Answer
    from mme.core.statistics import Outcome
    from mme.core.timing import Timing

SERVER_ERRORS = 500
OF_ITS_CALLER = (TargetNotFound, InvalidRequest)
"""Errors that say nothing of a model."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Of one endpoint. The event loop owns it."""

    events: Events = field(default_factory=Events)
    statistics: Statistics = field(default_factory=Statistics)
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.events.listen(self.history.heard)

    def answered(self, target: str, answer: Answer, seconds: float) -> None:
        """A model has answered a request."""
        self.statistics.answered(target, answer.outcome, answer.status, seconds)
        if answer.status >= SERVER_ERRORS:
            self.history.errored(target, f"it answered {answer.status}", time.time())

    def failed(
        self,
        target: str,
        error: BaseException,
        seconds: float,
        timing: Timing,
        *,
        was_here: bool,
    ) -> None:
        """A request has no answer of a model; `was_here`: its artifact was on this disk."""
        outcome: Outcome = "first" if not was_here else "cold" if timing.load_s else "warm"
        is_known = not isinstance(error, OF_ITS_CALLER)
        if is_known and isinstance(error, EndpointError):
            error.outcome, error.timing = outcome, timing
        name = LEFT if isinstance(error, asyncio.CancelledError) else type(error).__name__
        self.statistics.failed(target, outcome, name, seconds, is_known=is_known)
        if is_known and isinstance(error, EndpointError):
            self.history.errored(target, error.for_log, time.time())

    def load_failed(self, target: str, error: EndpointError, *, serves: bool) -> None:
        """A target did not come in; `serves`: a former version of it goes on serving."""
        if serves:
            message = f"{target} serves on from its former version: {error.message}"
            self.events.note("update_failed", target, message, level=logging.WARNING)
        else:
            message = f"cannot bring in {target}: {error.message}"
            self.events.note("load_failed", target, message, level=logging.WARNING)
