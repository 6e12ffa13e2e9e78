"""The queue in SQS (`queue.py`), which any number of endpoints share as competing consumers.

A message that was received is nobody else's while its lease lasts (SQS: visibility time-out), and
the lease is renewed while its request runs. It is deleted when the request has ended; an endpoint
that dies lets its leases run out, one that stops gives them back. So a request may be executed
twice, to the same object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from mme.core.background import BackgroundTasks
from mme.jobs.asynchronous.queue import Depth
from mme.jobs.asynchronous.request import Entry, State
from mme.jobs.asynchronous.sqs import COUNTS, MOST_LEASE_S, QueueUnavailable
from mme.jobs.asynchronous.sqs_known import Known
from mme.jobs.asynchronous.sqs_message import MessageUnreadable, Parcel, read, written
from mme.jobs.asynchronous.sqs_pace import Pace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from mme.jobs.asynchronous.request import AsyncRequest, Standing
    from mme.jobs.asynchronous.sqs import Sqs

log = logging.getLogger(__name__)

RENEWALS = 3
"""So many times a lease is renewed before it would have run out."""
NO_ROOM_S = 2
"""How long a message stays away that has no room here; others may have."""
UNREADABLE_S = 5
"""How long a message stays away that cannot be read; SQS moves it when it came often enough."""
COUNTED_S = 10.0
"""How often the backlog is asked for."""


@dataclass(slots=True)
class Lease:
    """A message that is ours for a while."""

    receipt: str
    entry: Entry
    is_claimed: bool = False
    """Whether somebody executes its request."""


class SqsQueue:
    """See Queue."""

    def __init__(
        self,
        sqs: Sqs,
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        outcome_of: Callable[[AsyncRequest], tuple[State, str] | None],
        lease_s: int,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`run` does blocking calls; `outcome_of`, blocking, looks for a request's objects."""
        self._sqs = sqs
        self._run = run
        self._outcome_of = outcome_of
        self._lease_s = lease_s
        self._clock = clock
        self._known = Known()
        self._leases: dict[int, Lease] = {}
        self._number = 0
        self._pace = Pace()
        self._most_deliveries: int | None = None
        self._attributes: Mapping[str, str] = {}
        self._is_stopping = False
        self._upkeep = BackgroundTasks()
        self._poll: asyncio.Task[list[Entry]] | None = None
        self._changes = asyncio.Lock()
        """Held while leases are renewed or given up: the later word counts."""

    async def open(self) -> Self:
        """See to the queue, and keep leases from now on. Raises QueueUnavailable if it is final."""
        try:
            await self._count()
        except QueueUnavailable as error:
            if error.is_final:
                raise
            log.warning("%s; it is tried again", error.message)
        self._upkeep.start(self._keep_leases())
        self._upkeep.start(self._keep_counting())
        return self

    async def add(
        self, request: AsyncRequest, body: bytes | None, received_at: float, expires_at: float
    ) -> None:
        """See Queue. A call repeated at another endpoint is known to a FIFO queue alone."""
        if self._known.is_accepted(request.mark):
            return
        parcel = Parcel(request, body, received_at, expires_at)
        text = written(parcel)
        await self._run(lambda: self._sqs.send(text, request.mark))
        self._known.accepted(parcel)

    async def claim(self, free: Callable[[str], int], room: int, now: float) -> list[Entry]:
        """See Queue. What has no room here goes back, for others."""
        running = [lease.entry.request.endpoint for lease in self._leases.values()]
        count = self._pace.wanted(now, free, room, running)
        if count <= 0 or self._is_stopping:
            return []
        # A call under way is not lost with whoever waits for it: what it brings has its lease.
        self._poll = asyncio.create_task(self._receive(count), name="receive from SQS")
        got = await asyncio.shield(self._poll)
        taken: Counter[str] = Counter()
        entries, others = [], []
        for entry in got:
            endpoint = entry.request.endpoint
            if taken[endpoint] < free(endpoint) or entry.is_last:
                taken[endpoint] += 1
                self._leases[entry.number].is_claimed = True
                self._known.started(entry, now)
                entries.append(entry)
            else:
                others.append(entry)
        self._pace.got(now, taken, {each.request.endpoint for each in others})
        if others:
            await self._give_up(others, NO_ROOM_S)
        return entries

    async def put_back(self, entry: Entry, due_at: float) -> None:
        """See Queue. Seconds are whole; the clocks of endpoints may differ by as much."""
        wait_s = math.ceil(due_at - self._clock())
        await self._give_up([entry], min(max(0, wait_s), MOST_LEASE_S))
        self._known.became(entry, State.QUEUED)

    async def end(self, entry: Entry, state: State, now: float, reason: str = "") -> None:
        """See Queue."""
        lease = self._leases.get(entry.number)
        if lease is not None:
            await self._run(lambda: self._sqs.delete(lease.receipt))
            self._leases.pop(entry.number, None)
        self._known.became(entry, state, now, reason)

    async def forget(self, before: float) -> int:
        """See Queue. All in one go: they are few."""
        self._known.forget(before)
        return 0

    async def standing(self, endpoint: str, inference_id: str) -> Standing | None:
        """See Queue: of what was accepted or executed here. Its objects tell what others did."""
        known = self._known.of(endpoint, inference_id)
        if known is None or known.state is not State.QUEUED:
            return known
        request = known.request
        found: tuple[State, str] | None = await self._run(lambda: self._outcome_of(request))
        return known if found is None else replace(known, state=found[0], reason=found[1])

    async def depth(self, endpoint: str) -> Depth:  # noqa: ARG002 - SQS counts no endpoint's
        """See Queue. Of all endpoints that share the queue: SQS counts them together."""
        await self._count()
        waiting, taken, delayed = (int(self._attributes.get(name, 0)) for name in COUNTS)
        return Depth(waiting + delayed, taken)

    def waiting_in_all(self) -> int:
        """See Queue."""
        waiting, _, delayed = (int(self._attributes.get(name, 0)) for name in COUNTS)
        return waiting + delayed

    async def oldest(self, endpoint: str) -> float | None:
        """See Queue: of those that are here; SQS tells the others' age to CloudWatch alone."""
        return min(
            (
                lease.entry.received_at
                for lease in self._leases.values()
                if lease.entry.request.endpoint == endpoint
            ),
            default=None,
        )

    async def stop(self) -> None:
        """See Queue. A call under way is waited for; what nobody executes goes back at once."""
        self._is_stopping = True
        if self._poll is not None:
            await asyncio.gather(self._poll, return_exceptions=True)
        await self._returned(lease for lease in self._leases.values() if not lease.is_claimed)

    async def close(self) -> None:
        """See Queue: everybody else may have at once what is not ended."""
        await self.stop()
        async with self._changes:
            await self._upkeep.close()
        await self._returned(self._leases.values())

    async def _returned(self, leases: Iterable[Lease]) -> None:
        try:
            await self._give_up([lease.entry for lease in leases], 0)
        except QueueUnavailable as error:
            log.warning("%s; what is left over waits for %d s", error.message, self._lease_s)

    async def _receive(self, count: int) -> list[Entry]:
        messages = await self._run(lambda: self._sqs.receive(count, self._lease_s))
        entries, unreadable = [], []
        for message in messages:
            entry = self._entry(message)
            if entry is None:
                unreadable.append(message["ReceiptHandle"])
                continue
            self._leases[entry.number] = Lease(message["ReceiptHandle"], entry)
            entries.append(entry)
        if unreadable:
            with contextlib.suppress(QueueUnavailable):  # its lease runs out, too
                await self._run(lambda: self._sqs.hide(unreadable, UNREADABLE_S))
        return entries

    def _entry(self, message: Mapping[str, Any]) -> Entry | None:
        deliveries = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        most = self._most_deliveries
        try:
            parcel = read(message["Body"])
        except MessageUnreadable as error:
            if deliveries in (1, most):
                log.error(  # noqa: TRY400 - it says all there is
                    "message %s of the queue cannot be read: %s; delivery %d of %s",
                    message.get("MessageId"), error, deliveries, most or "any number",
                )  # fmt: skip
            return None
        self._number += 1
        return Entry(
            self._number, parcel.request, parcel.body, parcel.received_at, parcel.expires_at,
            deliveries, is_last=most is not None and deliveries >= most,
        )  # fmt: skip

    async def _give_up(self, entries: Iterable[Entry], for_s: int) -> None:
        """Leases are nobody's any more; nobody gets the messages for so long."""
        numbers = [each.number for each in entries if each.number in self._leases]
        receipts = [self._leases[number].receipt for number in numbers]
        async with self._changes:
            await self._run(lambda: self._sqs.hide(receipts, for_s))
            for number in numbers:
                self._leases.pop(number, None)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / RENEWALS)
            try:
                async with self._changes:
                    await self._renew()
            except QueueUnavailable as error:
                log.warning("leases are not renewed: %s", error.message)

    async def _renew(self) -> None:
        held = {lease.receipt: lease.entry for lease in self._leases.values()}
        lost: list[str] = await self._run(lambda: self._sqs.hide([*held], self._lease_s))
        for entry in (held[receipt] for receipt in lost):
            if entry.number in self._leases:
                log.warning(
                    "async request %s may run elsewhere, too: its lease ran out",
                    entry.request.inference_id,
                )

    async def _keep_counting(self) -> None:
        while True:
            await asyncio.sleep(COUNTED_S)
            with contextlib.suppress(QueueUnavailable):
                await self._count()

    async def _count(self) -> None:
        self._attributes = await self._run(self._sqs.attributes)
        policy = json.loads(self._attributes.get("RedrivePolicy") or "{}")
        most = policy.get("maxReceiveCount")
        self._most_deliveries = None if most is None else int(most)
