"""What one endpoint knows of requests in a queue that it shares. Pure.

SQS cannot be asked for a request by its id. Known are those that this endpoint accepted or
executed, the last ones: a bounded memory, which does not outlive the endpoint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mme.jobs.asynchronous.request import Standing, State

if TYPE_CHECKING:
    from mme.jobs.asynchronous.request import Entry
    from mme.jobs.asynchronous.sqs_message import Parcel

MOST_KNOWN = 10_000


class Known:
    """The event loop owns it."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        self._standings: dict[tuple[str, str], Standing] = {}
        self._marks: dict[str, None] = {}

    def accepted(self, parcel: Parcel) -> None:
        """A request was queued here."""
        if parcel.request.mark:
            self._marks[parcel.request.mark] = None
            if len(self._marks) > self._most:
                del self._marks[next(iter(self._marks))]
        self._keep(
            Standing(
                parcel.request, State.QUEUED, parcel.received_at, parcel.expires_at, None, None, 0
            )
        )

    def is_accepted(self, mark: str) -> bool:
        """Whether a request with this mark was queued here."""
        return mark in self._marks

    def started(self, entry: Entry, now: float) -> None:
        """A request is executed here."""
        known = self.of(entry.request.endpoint, entry.request.inference_id)
        is_same = known is not None and known.request == entry.request
        began = known.started_at if known is not None and is_same else None
        self._keep(
            Standing(
                entry.request, State.IN_PROGRESS, entry.received_at, entry.expires_at,
                began or now, None, entry.attempts,
            )
        )  # fmt: skip

    def became(
        self, entry: Entry, state: State, now: float | None = None, reason: str = ""
    ) -> None:
        """What was executed here has ended, or waits again."""
        known = self.of(entry.request.endpoint, entry.request.inference_id)
        if known is not None and known.request == entry.request:
            self._keep(replace(known, state=state, ended_at=now, reason=reason))

    def of(self, endpoint: str, inference_id: str) -> Standing | None:
        """The last request of that id."""
        return self._standings.get((endpoint, inference_id))

    def forget(self, before: float) -> int:
        """Forget what ended before; returns how many."""
        gone = [
            key
            for key, each in self._standings.items()
            if each.ended_at is not None and each.ended_at < before
        ]
        for key in gone:
            del self._standings[key]
        return len(gone)

    def _keep(self, standing: Standing) -> None:
        key = (standing.request.endpoint, standing.request.inference_id)
        self._standings.pop(key, None)
        self._standings[key] = standing
        if len(self._standings) > self._most:
            del self._standings[next(iter(self._standings))]
