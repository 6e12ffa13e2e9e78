"""A client's retry joins its own request that is still being answered.

AWS's clients name all attempts of one call alike (`amz-sdk-invocation-id`). One that has lost its
connection, or waited for as long as it would, asks again: the model would compute the same twice,
and again too late. So a request whose client may ask again goes on without it for a while, and the
next attempt gets its answer. Requests without the name, and last attempts, end with their client.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from multidict import istr

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

Result = TypeVar("Result")

INVOCATION_ID = istr("amz-sdk-invocation-id")
ATTEMPT = istr("amz-sdk-request")
ATTEMPT_FORM = re.compile(r"attempt=(\d{1,9})(?:; *max=(\d{1,9}))?")
GRACE_S = 30.0
"""How long a request goes on without a client; clients wait up to 20 s between attempts."""
MOST_LEFT, MOST_LEFT_BYTES = 100, 64 * 1024 * 1024
"""Requests without a client, and what their bodies hold."""


@dataclass(eq=False, slots=True)
class _Running(Generic[Result]):
    identity: tuple[object, ...]
    body: bytes
    task: asyncio.Task[Result]
    waiting: int = 0
    giving_up: asyncio.TimerHandle | None = None
    """Ends the work, while no client waits for it."""
    is_given_up: bool = False
    """It is being cancelled, so that no other attempt may join it."""

    def give_up(self) -> None:
        """End the work."""
        self.is_given_up = True
        self.task.cancel()


class Retries(Generic[Result]):
    """The requests under way whose clients may ask again. The event loop owns it."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._running: dict[str, _Running[Result]] = {}
        self._left: set[_Running[Result]] = set()

    async def answer(
        self,
        headers: Mapping[str, str],
        identity: tuple[object, ...],
        body: bytes,
        work: Callable[[], Coroutine[Any, Any, Result]],
    ) -> Result:
        """What `work` returns, or what it does for an earlier attempt of the same call.

        Calls are the same if their name, `identity` and body are.
        """
        name = headers.get(INVOCATION_ID)
        if name is None:
            return await work()
        running = self._running.get(name)
        if running is None or running.is_given_up:
            if not may_come_again(headers.get(ATTEMPT, "")):
                return await work()
            running = self._begin(name, identity, body, work)
        elif running.identity != identity or running.body != body:
            return await work()
        return await self._waited_for(running)

    def _begin(
        self,
        name: str,
        identity: tuple[object, ...],
        body: bytes,
        work: Callable[[], Coroutine[Any, Any, Result]],
    ) -> _Running[Result]:
        running = _Running(identity, body, asyncio.create_task(work()))
        self._running[name] = running

        def ended(task: asyncio.Task[Result]) -> None:
            if self._running.get(name) is running:
                del self._running[name]
            self._left.discard(running)
            if not task.cancelled():
                task.exception()  # seen: there may be nobody any more who waits for it

        running.task.add_done_callback(ended)
        return running

    async def _waited_for(self, running: _Running[Result]) -> Result:
        running.waiting += 1
        self._left.discard(running)
        if running.giving_up is not None:
            running.giving_up.cancel()
        try:
            return await asyncio.shield(running.task)
        finally:
            running.waiting -= 1
            if not running.waiting and not running.task.done():
                self._leave(running)

    def _leave(self, running: _Running[Result]) -> None:
        held_bytes = len(running.body) + sum(len(each.body) for each in self._left)
        if len(self._left) >= MOST_LEFT or held_bytes > MOST_LEFT_BYTES:
            running.give_up()
            return
        self._left.add(running)
        loop = asyncio.get_running_loop()
        running.giving_up = loop.call_later(self._grace_s, running.give_up)


def may_come_again(attempt: str) -> bool:
    """Whether an attempt, as `attempt=1; max=3`, need not be the last."""
    found = ATTEMPT_FORM.fullmatch(attempt.strip())
    return found is not None and (found[2] is None or int(found[1]) < int(found[2]))
