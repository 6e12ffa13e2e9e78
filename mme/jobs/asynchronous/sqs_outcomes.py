"""How a request ended that another endpoint may have executed: its objects tell. Blocking.

A request that was queued here may be executed anywhere. What is left of it then is the object with
its answer, or the one with its failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mme.jobs.asynchronous.outcomes import MOST_REASON_CHARS, expired
from mme.jobs.asynchronous.request import State
from mme.store.object_errors import ObjectNotFound, ObjectTooLarge

if TYPE_CHECKING:
    from mme.jobs.asynchronous.request import AsyncRequest


class Objects(Protocol):
    """S3 (`mme.store.objects`)."""

    def exists(self, uri: str) -> bool:
        """Whether there is such an object."""

    def read(self, uri: str, limit_bytes: int) -> bytes:
        """The whole content; ObjectTooLarge, ObjectNotFound."""


def outcome_of(request: AsyncRequest, objects: Objects) -> tuple[State, str] | None:
    """Its end and the reason for a bad one; None: no object is there yet.

    Raises an EndpointError where S3 does not tell.
    """
    if objects.exists(request.output_uri):
        return State.COMPLETED, ""
    try:
        text = objects.read(request.failure_uri, MOST_REASON_CHARS).decode("utf-8", "replace")
    except ObjectNotFound:
        return None
    except ObjectTooLarge:
        return State.FAILED, ""
    return (State.EXPIRED if text == expired(0).body else State.FAILED), text
