"""Showing how training comes along: bars on a terminal, lines in a log, or nothing.

Also takes the time of each phase, for the report.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from models.serving import no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.serving import Progress, ProgressBar

log = logging.getLogger(__name__)

LINE_EVERY_S = 10.0
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Phase:
    """How long something took."""

    title: str
    steps: int
    unit: str
    duration_s: float


class TimedProgress:
    """A `Progress` that notes how long each bar was open."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self.phases: list[Phase] = []

    @contextlib.contextmanager
    def __call__(self, total: int, unit: str, title: str) -> Iterator[ProgressBar]:
        """See Progress."""
        began_s = time.monotonic()
        with self._shown(total, unit, title) as bar:
            yield bar
        self.phases.append(Phase(title, total, unit, time.monotonic() - began_s))


def progress_for(*, is_quiet: bool, is_terminal: bool | None = None) -> Progress:
    """Bars if stderr is a terminal, lines if it is not, nothing if that is wanted."""
    if is_quiet:
        return no_progress
    if is_terminal is None:
        is_terminal = sys.stderr.isatty()
    return _bars if is_terminal else _lines


@contextlib.contextmanager
def _bars(total: int, unit: str, title: str) -> Iterator[ProgressBar]:
    with tqdm(
        total=total, unit=unit, desc=title, unit_scale=unit == "byte", dynamic_ncols=True
    ) as bar:
        yield bar


class _Lines:
    """Logs a line now and then."""

    def __init__(self, total: int, unit: str, title: str) -> None:
        self._total, self._unit, self._title = total, unit, title
        self._done = 0
        self._began_s = self._told_s = time.monotonic()

    def update(self, n: int = 1, /) -> None:
        self._done += n
        if time.monotonic() - self._told_s >= LINE_EVERY_S:
            self.tell()

    def tell(self) -> None:
        self._told_s = time.monotonic()
        share = 100 * self._done // self._total if self._total else 100
        amount = f"{self._done} of {self._total}, unit {self._unit}"
        if self._unit == "byte":
            amount = f"{self._done / MB:.1f} of {self._total / MB:.1f} MB"
        log.info("%s: %d %% (%s), %.1f s", self._title, share, amount, self._told_s - self._began_s)


@contextlib.contextmanager
def _lines(total: int, unit: str, title: str) -> Iterator[ProgressBar]:
    lines = _Lines(total, unit, title)
    yield lines
    lines.tell()
