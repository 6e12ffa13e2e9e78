"""What an endpoint is observed by: events, counts of invocations, the last of each target."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.core.errors import ArtifactRejected, EndpointError, InvalidRequest
from mme.core.events import Events
from mme.core.spent import Spent
from mme.core.statistics import LEFT, Statistics
from mme.core.steps import STEPS, steps_in, steps_of
from mme.residency.history import History
from mme.store.base import TargetDenied

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mme.core.answer import Answer
    from mme.core.statistics import Outcome
    from mme.core.timing import StepTime, Timing

log = logging.getLogger(__name__)

SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True)
class Invocation:
    """One that is over."""

    target: str
    outcome: Outcome
    status: int
    """What the model answered; 0: it did not."""
    error: str
    """The kind of error there was in place of an answer, or LEFT; "": there was an answer."""
    seconds: float
    timing: Timing
    steps: Sequence[StepTime] = ()
    """Of an ensemble."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Of one endpoint. The event loop owns it."""

    events: Events = field(default_factory=Events)
    statistics: Statistics = field(default_factory=Statistics)
    history: History = field(default_factory=History)
    spent: Spent = field(default_factory=Spent)
    followers: list[Callable[[Invocation], None]] = field(default_factory=list)
    """Are told of each invocation when it is over; they must not raise."""

    def __post_init__(self) -> None:
        self.events.listen(self.history.heard)
        self.events.listen(self.spent.heard)

    def answered(self, target: str, answer: Answer, seconds: float) -> None:
        """A model has answered a request."""
        outcome = answer.outcome
        self.statistics.answered(target, outcome, answer.status, seconds, answer.timing)
        self.spent.answered(answer.timing, seconds, is_warm=outcome == "warm")
        if STEPS in answer.headers:
            self.spent.stepped(target, steps_in(answer.headers))
        if self.followers:
            steps = steps_of(answer)
            self._tell(
                Invocation(target, outcome, answer.status, "", seconds, answer.timing, steps)
            )
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
        is_known = not _is_of_caller(error)
        if is_known and isinstance(error, EndpointError):
            error.outcome, error.timing = outcome, timing
        name = LEFT if isinstance(error, asyncio.CancelledError) else type(error).__name__
        self.statistics.failed(target, outcome, name, seconds, is_known=is_known)
        if self.followers:
            self._tell(Invocation(target, outcome, 0, name, seconds, timing))
        if is_known and isinstance(error, EndpointError) and not isinstance(error, InvalidRequest):
            self.history.errored(target, error.for_log, time.time())

    def load_failed(self, target: str, error: EndpointError, *, serves: bool) -> None:
        """A target did not come in; `serves`: a former version of it goes on serving.

        Names that are none are logged only, and not as trouble: whoever may ask could fill the
        events, and the warnings that are kept, with them.
        """
        if _is_of_caller(error) and not serves:
            # A right that is missing is for the operator to see, whatever the name was.
            level = logging.WARNING if isinstance(error, TargetDenied) else logging.INFO
            log.log(level, "cannot bring in %s: %s", target, error.message)
        elif serves:
            message = f"{target} serves on from its former version: {error.message}"
            self.events.note("update_failed", target, message, level=logging.WARNING)
        else:
            message = f"cannot bring in {target}: {error.message}"
            self.events.note("load_failed", target, message, level=logging.WARNING)

    def _tell(self, invocation: Invocation) -> None:
        for follower in self.followers:
            follower(invocation)


def _is_of_caller(error: BaseException) -> bool:
    """Whether it says nothing of a model: a name that is none, a request that cannot be.

    An artifact that was refused is there, though who asks for it is told as of a bad request.
    """
    return isinstance(error, InvalidRequest) and not isinstance(error, ArtifactRejected)
