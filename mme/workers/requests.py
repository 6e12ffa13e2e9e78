"""A request on its way through the workers: what it is, who waits for it, until when.

No request has a timer of its own, which would cost more than many a request: deadlines are looked
at now and then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from mme.core.artifact import Admitted
    from mme.core.door import Answer, Question
    from mme.core.parts import Parts

HEAVY_BYTES = 64 * 1024 * 1024
"""A model that maps more is kept to few workers."""
LARGE_BYTES = 64 * 1024
"""A request with a larger body may take long."""
NOT_CONVERTED = 503
"""The worker's answer when what it should map is not there."""
MOST_ATTEMPTS = 4
"""How often a request is given to a worker that then turns out not to have seen it."""


@dataclass(eq=False, slots=True)
class Request:
    """One request. `answer` is awaited by one caller."""

    artifact: Admitted
    question: Question
    beginning: bytes
    """The question's frame at the door, but for its body."""
    answer: asyncio.Future[Answer]
    came_at_s: float
    deadline_s: float
    timeout_s: float
    """How long it may take, and how long it may be computed."""
    is_own: bool
    """Whether only a worker of the model's own may take it."""
    is_heavy: bool
    is_large: bool
    pipeline: str | None
    parts: Parts | None = None
    """Gets the pieces of the answer; None: it is wanted whole."""
    attempts: int = 0
    left_at_s: float | None = None
    """When its caller left without an answer."""
    was_held_up: bool = False
    """Whether its worker waited for the caller to read when its time was over."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self.artifact.name

    @property
    def is_streamed(self) -> bool:
        """Whether the pieces of its answer are passed on as they come."""
        return self.parts is not None

    @property
    def has_begun(self) -> bool:
        """Whether pieces of an answer have been passed on: no other worker may answer it now."""
        return self.parts is not None and self.parts.has_begun

    @property
    def is_held_up(self) -> bool:
        """Whether its worker waits for the caller to read."""
        return self.parts is not None and self.parts.is_held_up

    @property
    def is_over(self) -> bool:
        """Whether no caller waits for it any more."""
        return self.answer.done()


class Deadlines:
    """The requests under way by the second in which their time is over."""

    def __init__(self) -> None:
        self._by_second: dict[int, set[Request]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_second)

    def add(self, request: Request) -> None:
        """Note a request; `remove` it when it has ended."""
        self._by_second.setdefault(int(request.deadline_s), set()).add(request)

    def remove(self, request: Request) -> None:
        """Forget a request."""
        second = int(request.deadline_s)
        requests = self._by_second.get(second)
        if requests is not None:
            requests.discard(request)
            if not requests:
                del self._by_second[second]

    def all(self) -> list[Request]:
        """All of them."""
        return [request for requests in self._by_second.values() for request in requests]

    def expired(self, now_s: float) -> list[Request]:
        """Those whose time is over and that have no answer."""
        return [
            request
            for second, requests in self._by_second.items()
            if second <= now_s
            for request in requests
            if request.deadline_s <= now_s and not request.is_over
        ]
