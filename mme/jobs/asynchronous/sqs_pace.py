"""How many messages to ask a shared queue for, so that few come that have no room here. Pure.

A queue does not say whose requests come next. What comes and has no room goes back, which costs two
calls and one of the deliveries that the queue allows: so after such a one fewer are asked for, and
where nothing had room, none until there is room, but for a look at times for other endpoints'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.jobs.asynchronous.sqs import MOST_IN_ONE_CALL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

LOOK_S = 1.0
"""How often others' requests are looked for while those seen last have no room."""
SEEN_S = 60.0
"""How long an endpoint counts as one that has requests in the queue."""


class Pace:
    """Of one endpoint's asking."""

    def __init__(self) -> None:
        self._count = MOST_IN_ONE_CALL
        self._seen_at: dict[str, float] = {}
        self._full: frozenset[str] = frozenset()
        self._asks_at = 0.0

    def wanted(
        self, now: float, free: Callable[[str], int], room: int, running: Iterable[str]
    ) -> int:
        """How many to ask for now. `running`: endpoints whose requests are executed here."""
        if now < self._asks_at and not any(free(name) > 0 for name in self._full):
            return 0
        self._seen_at = {name: at for name, at in self._seen_at.items() if at > now - SEEN_S}
        names = frozenset((*self._seen_at, *running))
        most = max((free(name) for name in names), default=MOST_IN_ONE_CALL)
        if most <= 0:
            self._full, self._asks_at = names, now + LOOK_S
            most = 1
        return min(most, room, self._count)

    def got(self, now: float, taken: Collection[str], others: Collection[str]) -> None:
        """Requests of these endpoints came: those that had room, and those that had none."""
        self._seen_at |= dict.fromkeys((*taken, *others), now)
        if others:
            self._count = max(1, self._count // 2)
        elif taken:
            self._count = min(MOST_IN_ONE_CALL, 2 * self._count)
        if others and not taken:
            self._full, self._asks_at = frozenset(others), now + LOOK_S
