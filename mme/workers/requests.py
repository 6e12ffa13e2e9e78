"""A request on its way through the workers: what it is, who waits for it, until when.

No request has a timer of its own, which would cost more than many a request: deadlines are looked
at now and then.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.core.allowed_code import may_run_code
from mme.core.door import DoorError, Question, beginning
from mme.core.errors import CodeNotAllowed, InvalidRequest
from mme.core.through_mms import ALLOW_CODE, LOAD_ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.artifact import Admitted
    from mme.core.door import Answer
    from mme.core.parts import Parts
    from mme.core.settings import Settings
    from mme.core.terms import Terms
    from mme.workers.batches import Batch

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
    batch: Batch | None = None
    """How many may be computed with it at once; None: it is computed alone."""
    together: int = 1
    """How many it went to its worker with, itself included."""
    started_at_s: float | None = None
    """When a worker began with it."""
    lets_others_pass: bool = False
    """Whether it makes room for those that wait behind it if it takes long, for it may be the one
    that held up its batch; once only."""
    waits_for_start: bool = False
    """Whether a worker of its model's own had to be started for it."""
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
    def size_bytes(self) -> int:
        """Of its body."""
        return len(self.question.body)

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


def request_to(
    artifact: Admitted,
    headers: Mapping[str, str],
    body: bytes,
    terms: Terms,
    settings: Settings,
    *,
    now_s: float,
    is_own: bool,
    pipeline: str | None,
    batch: Batch | None = None,
) -> Request:
    """A request that has just come, for the loop it is made on.

    `batch` is what its model takes at once now.

    Raises InvalidRequest, CodeNotAllowed: a worker hears from here alone that it may run code.
    """
    timeout_s = settings.invoke_timeout_s if terms.timeout_s is None else terms.timeout_s
    question = _question(artifact, headers, body, terms, settings)
    try:
        start = beginning(question)
    except DoorError as error:
        raise InvalidRequest(f"The request cannot be sent on: {error}") from error
    return Request(
        artifact=artifact,
        question=question,
        beginning=start,
        answer=asyncio.get_running_loop().create_future(),
        came_at_s=now_s,
        deadline_s=now_s + timeout_s,
        timeout_s=timeout_s,
        is_own=is_own,
        is_heavy=artifact.findings.mapped_bytes > HEAVY_BYTES,
        is_large=len(body) > LARGE_BYTES,
        pipeline=pipeline,
        parts=terms.parts,
        batch=None if terms.parts is not None or LOAD_ONLY in headers else batch,
    )


def _question(
    artifact: Admitted, headers: Mapping[str, str], body: bytes, terms: Terms, settings: Settings
) -> Question:
    if artifact.findings.is_code:
        if not may_run_code(artifact.target, settings.allow_code):
            raise CodeNotAllowed(artifact.target)
        headers = {**headers, ALLOW_CODE: "1"}
    return Question(
        "" if settings.is_foreign_handler else artifact.name,
        str(artifact.model_dir),
        str(artifact.scratch_dir),
        headers,
        body,
        answer_limit(settings, terms),
        in_parts=terms.parts is not None and settings.invoke == "door",
        target=artifact.target,
        request_id=terms.request_id,
    )


def answer_limit(settings: Settings, terms: Terms) -> int | None:
    """The largest answer to a request in bytes, where it is not what the workers have been told.

    The model server keeps an answer in its heap and ends a worker for a larger one than it takes.
    """
    limit_bytes = terms.answer_limit_bytes
    if limit_bytes is not None and settings.invoke == "mms":
        limit_bytes = min(limit_bytes, settings.max_body_bytes)
    return None if limit_bytes == settings.max_body_bytes else limit_bytes


class Deadlines:
    """The requests under way by the second in which their time is over."""

    def __init__(self) -> None:
        self._by_second: dict[int, set[Request]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_second)

    def __len__(self) -> int:
        return sum(map(len, self._by_second.values()))

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
