"""What happened to models and workers: kept in memory, logged, and told to whoever follows.

Loads and evictions within the pool come by the thousand and are kept apart, so that what is rare is
not pushed out by them. Ids grow, also from one start of the endpoint to the next: who has seen one
can ask for what came after it. The event loop owns it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from mme.core.log_format import TARGET

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

Kind = Literal[
    "arrived",
    "loaded",
    "load_failed",
    "evicted",
    "unloaded",
    "update_found",
    "updated",
    "update_failed",
    "gone",
    "worker_died",
    "isolated",
    "alias_switched",
    "alias_refused",
    "pinned",
    "unpinned",
    "rested",
    "woke",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST = 5_000
"""So many are kept of what is rare, and so many of what is not."""
MOST_ASKED = 1_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    id: int
    at: float
    """Wall clock, seconds."""
    kind: Kind
    target: str
    """The target model it is about; "": none."""
    message: str
    """A sentence for people."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What can be counted, in JSON's types; names have units."""


class Events:
    """The last events."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._rare: deque[Event] = deque(maxlen=most)
        self._frequent: deque[Event] = deque(maxlen=most)
        # Later than all of an earlier start, if that had fewer than a thousand a second.
        self._ids = itertools.count(int(clock() * 1000))
        self._last_id = next(self._ids)
        self._waiting: set[asyncio.Future[None]] = set()
        self._listeners: list[Callable[[Event], None]] = []
        self.counts: Counter[Kind] = Counter()
        """How many of each kind there have been."""

    @property
    def last_id(self) -> int:
        """Of the last event, or a number below the first one's."""
        return self._last_id

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with each event from now on; it must not raise."""
        self._listeners.append(listener)

    def note(
        self,
        kind: Kind,
        target: str,
        message: str,
        *,
        level: int = logging.INFO,
        **facts: object,
    ) -> None:
        """Something happened. What is logged below INFO is taken to be frequent."""
        self._last_id = next(self._ids)
        event = Event(self._last_id, self._clock(), kind, target, message, facts)
        (self._frequent if level < logging.INFO else self._rare).append(event)
        self.counts[kind] += 1
        log.log(level, "%s", message, extra={TARGET: target})
        for listener in self._listeners:
            listener(event)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def after(
        self,
        event_id: int,
        *,
        target: str = "",
        kinds: Collection[str] = (),
        limit: int = MOST_ASKED,
    ) -> list[Event]:
        """The first `limit` events that came after one, oldest first."""
        found = heapq.merge(
            _after(self._rare, event_id), _after(self._frequent, event_id), key=_id_of
        )
        wanted = (each for each in found if _is_wanted(each, target, kinds))
        return list(itertools.islice(wanted, limit))

    def latest(self, *, target: str = "", kinds: Collection[str] = (), limit: int) -> list[Event]:
        """The last `limit` events, oldest first."""
        found = heapq.merge(
            reversed(self._rare), reversed(self._frequent), key=_id_of, reverse=True
        )
        wanted = (each for each in found if _is_wanted(each, target, kinds))
        return list(itertools.islice(wanted, limit))[::-1]

    async def changed(self) -> None:
        """Return when something happens."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


def _after(events: deque[Event], event_id: int) -> Iterator[Event]:
    """Those after one, oldest first; what is asked for is mostly near the end."""
    count = 0
    for event in reversed(events):
        if event.id <= event_id:
            break
        count += 1
    return itertools.islice(events, len(events) - count, None)


def _id_of(event: Event) -> int:
    return event.id


def _is_wanted(event: Event, target: str, kinds: Collection[str]) -> bool:
    return (not target or event.target == target) and (not kinds or event.kind in kinds)
