"""What an answer, or an error, means for an asynchronous request: an end, or another try. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError, ModelFailed
from mme.jobs.asynchronous.messages import model_reason
from mme.jobs.passing import PASSING

if TYPE_CHECKING:
    from mme.core.answer import Answer

FIRST_PAUSE_S, MOST_PAUSE_S = 0.5, 60.0
SUCCESSES = range(200, 300)
MOST_REASON_CHARS = 2048


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, and what the failure object holds."""

    reason: str
    body: str


def is_passing(error: EndpointError) -> bool:
    """Whether a request is worth another try after an error."""
    return isinstance(error, PASSING)


def pause_s(attempts: int) -> float:
    """How long to wait before the next try, after so many."""
    return min(MOST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 10))


def failure_of(outcome: Answer | EndpointError) -> Failure | None:
    """The failure that an answer or an error is; None: the answer is a good one."""
    if isinstance(outcome, ModelFailed):
        return _of_model(outcome.status, outcome.body, outcome.speaker)
    if isinstance(outcome, EndpointError):
        return Failure(f"ClientError: {outcome.message}"[:MOST_REASON_CHARS], outcome.message)
    if outcome.status in SUCCESSES:
        return None
    text = outcome.body.decode("utf-8", "replace")
    return _of_model(outcome.status, text, outcome.speaker)


def expired(attempts: int) -> Failure:
    """The failure of a request whose time in the queue is over."""
    tries = f" after {attempts} tries" if attempts else ""
    return Failure(f"The request expired in the queue{tries}", "The request expired")


def given_up(attempts: int, error: EndpointError) -> Failure:
    """The failure of a request that might do later, and that its queue gives out no more."""
    reason = f"InternalServerError: given up after {attempts} deliveries: {error.message}"
    return Failure(reason[:MOST_REASON_CHARS], error.message)


def _of_model(status: int, text: str, speaker: str) -> Failure:
    return Failure(model_reason(status, text, speaker)[:MOST_REASON_CHARS], text)
