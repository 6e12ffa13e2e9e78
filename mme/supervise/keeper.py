"""Keeping one vital child running: start, watch, start again, give up when it dies too often."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

log = logging.getLogger(__name__)

MAX_DEATHS = 3
WINDOW_S = 60.0


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


def too_often(deaths_s: list[float], now_s: float) -> bool:
    """Whether the deaths within the last `WINDOW_S` are more than `MAX_DEATHS`."""
    return sum(now_s - at_s < WINDOW_S for at_s in deaths_s) > MAX_DEATHS


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
    ) -> None:
        self.name = name
        self.child: R | None = None
        self.failure: str | None = None
        self.gave_up = asyncio.Event()
        self._start = start
        self._on_up = on_up
        self._on_down = on_down
        self._deaths_s: list[float] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the child, keep it running inside the block, stop it at the end."""
        await self._bring_up()
        watch = asyncio.create_task(self._watch(), name=f"watch {self.name}")
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            if self.child is not None:
                self._on_down()
                await self.child.stop()

    async def _bring_up(self) -> None:
        began_s = time.monotonic()
        self.child = await self._start()
        log.info(
            "%s (pid %d) is up after %.1f s",
            self.name,
            self.child.pid,
            time.monotonic() - began_s,
        )
        self._on_up(self.child)

    async def _watch(self) -> None:
        try:
            while self.child is not None:
                code = await self.child.wait()
                log.error("the %s ended with code %d and is started again", self.name, code)
                self._on_down()
                dead, self.child = self.child, None
                await dead.stop()
                self._deaths_s.append(time.monotonic())
                if too_often(self._deaths_s, time.monotonic()):
                    self._give_up(f"the {self.name} died {MAX_DEATHS + 1} times in {WINDOW_S:g} s")
                    return
                await self._bring_up()
        except StartError as error:
            self._give_up(str(error))
        except Exception as error:
            log.exception("watching the %s failed", self.name)
            self._give_up(f"watching the {self.name} failed: {error}")

    def _give_up(self, reason: str) -> None:
        self.failure = reason
        self.gave_up.set()
