"""SIGTERM and Ctrl-C while training: an exception in the main thread, so that all is cleared up.

An exception out of a signal's handler is lost where it meets a callback from C, which libraries use
here and there. So the signal is noted as well, and the next step of a progress bar raises again.
"""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from models.serving import Progress, ProgressBar

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """Training was told to stop. Not an Exception: nothing on the way is to take it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a shell says of a program that ended by the signal."""
        return 128 + self.number


class Interruption:
    """The first signal that came, if one did. Further ones do not disturb the clearing up."""

    def __init__(self) -> None:
        self._number: int | None = None

    def handle(self, number: int, _: FrameType | None) -> None:
        """Be the handler of a signal."""
        if self._number is None:
            self._number = number
            raise Interrupted(number)

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self._number is not None:
            raise Interrupted(self._number)

    def watching(self, progress: Progress) -> Progress:
        """The same progress, with a look for signals at every step."""

        @contextlib.contextmanager
        def watched(total: int, unit: str, title: str) -> Iterator[ProgressBar]:
            self.check()
            with progress(total, unit, title) as bar:
                yield _Watched(self, bar)

        return watched


class _Watched:
    def __init__(self, interruption: Interruption, bar: ProgressBar) -> None:
        self._interruption, self._bar = interruption, bar

    def update(self, n: int = 1, /) -> None:
        self._interruption.check()
        self._bar.update(n)


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Raise Interrupted in the block at the first signal. For the main thread."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption.handle) for number in STOPPING}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
