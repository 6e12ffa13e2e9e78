"""Keeping one vital child running: start, watch, start again, give up when it does not stay up.

A child that something ends from outside is started again however often that happens. It is given up
when it fails by itself: it does not come up, or ends within a second of having come up, several
times in a row. It can be kept down for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

log = logging.getLogger(__name__)

MAX_FAILURES = 8
"""So many failed starts in a row are tried again."""
STABLE_S = 1.0
"""A child that has been up for so long did come up."""
PAUSE_S = 0.2
"""Before the start after a failed one, growing with each."""


class Running(Protocol):
    """A started child."""

    @property
    def pid(self) -> int:
        """Its process id."""

    async def wait(self) -> int:
        """Return its exit code when it has ended."""

    async def stop(self) -> None:
        """End it and all it left; harmless if it has ended."""


R = TypeVar("R", bound=Running)


class StartError(RuntimeError):
    """A child did not come up; the message says how it ended."""


class Keeper(Generic[R]):
    """Owns one child and the task that watches it.

    `start` makes a child that is up (or raises StartError); `on_up` and `on_down` tell whoever
    uses it. `gave_up` is set, with the reason in `failure`, when it cannot be kept running.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[R]],
        *,
        on_up: Callable[[R], None] = lambda _: None,
        on_down: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.child: R | None = None
        self.failure: str | None = None
        self.gave_up = asyncio.Event()
        self._start = start
        self._on_up = on_up
        self._on_down = on_down
        self._clock = clock
        self._sleep = sleep
        self._failures = 0
        self._is_paused = True
        self._watching: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the child, keep it running inside the block, stop it at the end."""
        await self.resume()
        try:
            yield
        finally:
            await self.pause()

    async def pause(self) -> None:
        """End the child and keep it down until `resume`; returns when it is gone."""
        self._is_paused = True
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if (child := self.child) is not None:
            self._on_down()
            await child.stop()
            self.child = None

    async def resume(self) -> None:
        """Start the child and keep it running; returns when it is up.

        Raises StartError and OSError, and leaves it down then.
        """
        self._is_paused = False
        try:
            await self._bring_up()
        except BaseException:
            self._is_paused = True
            raise
        self._failures = 0
        self._watching = asyncio.create_task(self._watch(), name=f"watch {self.name}")

    async def replace(self, child: R) -> None:
        """Keep another child, which is up, in place of the one there is, and end that."""
        if self._is_paused:
            await child.stop()
            return
        former, self.child = self.child, child
        self._on_up(child)
        if former is not None:
            await former.stop()

    async def _bring_up(self) -> None:
        began_s = self._clock()
        child = await self._start()
        took_s = self._clock() - began_s
        # Another one took the place meanwhile (`replace`), or none is wanted any more (`pause`).
        if self.child is not None or self._is_paused:
            await child.stop()
            return
        self.child = child
        log.info("%s (pid %d) is up after %.1f s", self.name, child.pid, took_s)
        self._on_up(child)

    async def _watch(self) -> None:
        try:
            while (child := self.child) is not None:
                up_since_s = self._clock()
                code = await child.wait()
                if self.child is not child:  # it was replaced
                    continue
                log.error("the %s ended with code %d and is started again", self.name, code)
                self._on_down()
                self.child = None
                await child.stop()
                is_failure = self._clock() - up_since_s < STABLE_S
                self._failures = self._failures + 1 if is_failure else 0
                await self._bring_up_again(f"ended with code {code} right after its start")
        except Exception as error:
            log.exception("watching the %s failed", self.name)
            self._give_up(f"watching the {self.name} failed: {error}")

    async def _bring_up_again(self, reason: str) -> None:
        """Start until it is up, or give up."""
        while self._failures <= MAX_FAILURES:
            await self._sleep(PAUSE_S * self._failures)
            if self.child is not None:
                return
            try:
                await self._bring_up()
            except (StartError, OSError) as error:
                log.error("%s", error)  # noqa: TRY400 - the message says it all
                self._failures += 1
                reason = str(error)
            else:
                return
        self._give_up(f"the {self.name} failed {self._failures} times in a row: {reason}")

    def _give_up(self, reason: str) -> None:
        self.failure = reason
        self.gave_up.set()
