"""The workers of one model: the first, and more of them while the model is hot.

Each worker is a model of its own to the model server, under a name of its own, and serves one
request at a time. Here requests are given to whoever has least to do. How many there shall be is
decided in `scaling.py`; the first one lives and dies with the model (`resident.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mme.residency.worker import WorkerGone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.mms import MmsAnswer, MmsClient
    from mme.residency.worker import Worker


@dataclass(slots=True)
class Member:
    """One worker and the requests that wait for it."""

    name: str
    """What the model server calls it."""
    worker: Worker
    own_bytes: int = 0
    in_flight: int = 0
    is_leaving: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it is leaving and has answered all it was given."""


class Crew:
    """All workers of one model. The event loop owns it."""

    def __init__(self, name: str, worker: Worker) -> None:
        self._first = Member(name, worker)
        self._further: list[Member] = []
        self.change: asyncio.Task[None] | None = None
        """A worker coming or going, while there is one."""
        self.changed_at_s = 0.0
        """Monotonic: when one last came."""

    def __len__(self) -> int:
        """How many are there for new requests."""
        return 1 + sum(not member.is_leaving for member in self._further)

    @property
    def names(self) -> list[str]:
        """What the model server calls them, the first one first."""
        return [self._first.name, *(member.name for member in self._further)]

    @property
    def own_bytes(self) -> int:
        """What those beyond the first own."""
        return sum(member.own_bytes for member in self._further)

    def join(self, member: Member) -> None:
        """One more worker answers from now on."""
        self._further.append(member)

    def leave(self) -> Member | None:
        """Give no more requests to the last who joined; None if there is only the first."""
        for member in reversed(self._further):
            if not member.is_leaving:
                self.dismiss(member)
                return member
        return None

    def dismiss(self, member: Member) -> None:
        """Give no more requests to a further worker; it is idle once it has no more of them."""
        member.is_leaving = True
        if member.in_flight == 0:
            member.idle.set()

    def drop(self, member: Member) -> None:
        """Forget a further worker that is idle."""
        if member in self._further:
            self._further.remove(member)
        member.worker.close("the worker was not needed any more")

    async def request(
        self, mms: MmsClient, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> MmsAnswer:
        """Send one request to the least busy worker. Raises WorkerGone, ModelFailed."""
        member = self._least_busy()
        member.in_flight += 1
        try:
            return await member.worker.request(mms, member.name, headers, body, timeout_s)
        finally:
            member.in_flight -= 1
            if member.is_leaving and member.in_flight == 0:
                member.idle.set()

    def give_up(self) -> None:
        """Use none of them any more; whoever waits in a queue asks again."""
        for member in (self._first, *self._further):
            member.worker.give_up()

    def close(self, reason: str) -> None:
        """Stop watching all of them; whoever still waits is told `reason`."""
        for member in (self._first, *self._further):
            member.worker.close(reason)

    def _least_busy(self) -> Member:
        able = [
            member
            for member in (self._first, *self._further)
            if not member.is_leaving and not member.worker.is_dead
        ]
        if not able:
            raise WorkerGone
        return min(able, key=lambda member: member.in_flight)
