"""What a queue of asynchronous requests does, wherever it is kept.

Two keep one: the state's database, for one endpoint alone (`database_queue.py`), and SQS, for any
number of endpoints that execute what any of them accepted (`sqs_queue.py`). Both have a request
executed at least once; which requests may run is up to `service.py`, what becomes of them to
`execution.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.jobs.asynchronous.request import AsyncRequest, Entry, Standing, State


@dataclass(frozen=True, slots=True)
class Depth:
    """How much a queue holds of an endpoint's requests."""

    waiting: int
    """Those that wait for their turn, or for their next try."""
    taken: int | None = None
    """Those that are in progress, here or elsewhere; None: nobody else takes any."""


class Queue(Protocol):
    """The event loop owns it. Raises StateUnavailable where its keeper cannot be asked."""

    async def add(
        self, request: AsyncRequest, body: bytes | None, received_at: float, expires_at: float
    ) -> None:
        """Queue a request, unless it is here already; returns when it cannot be lost any more.

        A client that did not hear of its acceptance sends the same once more.
        """

    async def claim(self, free: Callable[[str], int], room: int, now: float) -> list[Entry]:
        """Requests that are due, to be executed now: at most `room`, and `free` of each endpoint.

        An entry is the caller's until it is ended or put back. May wait for what comes.
        """

    async def put_back(self, entry: Entry, due_at: float) -> None:
        """Have a request that ran executed once more, not before `due_at`."""

    async def end(self, entry: Entry, state: State, now: float, reason: str = "") -> None:
        """A request has ended; what it brought along is forgotten."""

    async def forget(self, before: float) -> int:
        """Forget some requests that ended before; returns how many."""

    async def standing(self, endpoint: str, inference_id: str) -> Standing | None:
        """How the last request of that id stands; None: nothing is known of it here."""

    async def depth(self, endpoint: str) -> Depth:
        """How much waits of an endpoint."""

    def waiting_in_all(self) -> int:
        """How many wait, of all endpoints, as far as it is known without asking."""

    async def oldest(self, endpoint: str) -> float | None:
        """When the oldest request was received that is known to wait; None: none is."""

    async def stop(self) -> None:
        """Nothing is claimed any more; what is under way goes on."""

    async def close(self) -> None:
        """Have what was claimed and is not ended executed by whoever is next."""
