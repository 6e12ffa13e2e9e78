"""SIGTERM and Ctrl-C while training: an exception in the main thread, so that all is cleared up."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)
PATIENCE_S = 10.0


class Interrupted(BaseException):
    """Training was told to stop. Not an Exception: nothing on the way is to take it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a shell says of a program that ended by the signal."""
        return 128 + self.number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the block at the first signal.

    Further ones may not disturb the clearing up, unless it does not come to an end.
    """
    asked_at_s: float | None = None

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal asked_at_s
        now_s = time.monotonic()
        if asked_at_s is None or now_s - asked_at_s > PATIENCE_S:
            asked_at_s = now_s
            raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
