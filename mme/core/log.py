"""Logging: one line per event on stderr, with a level and the module that speaks.

Lines of one process are written together, at most a tenth of a second late: under load, writing
each by itself would take longer than the request it tells of. Warnings and errors are written at
once, with all that came before. Whatever a line tells of, it is one line, and shows no control
characters: what could look like another line, or move a terminal's cursor, is escaped here, so that
nobody who writes a log needs to think of it. Leaves the request log to the gateway and the models'
own output to the model server.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
EVERY_S = 0.1
MOST_LINES = 1000
"""More are not kept waiting."""


class BatchingHandler(logging.Handler):
    """Writes lines to a stream in batches, by a timer of the event loop it is called on.

    Where no loop runs, nothing would write them later, so they are written at once; the same if
    the loop has ended before its timer.
    """

    def __init__(
        self,
        stream: TextIO,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._call_later = call_later or _call_later
        self._lines: list[str] = []
        self._due_at_s: float | None = None
        """When the timer writes, by the clock of records; None: there is no timer."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take the line of a record."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a line that cannot be made must not end its speaker
            self.handleError(record)
            return
        self.take(line, record.created)
        if record.levelno >= logging.WARNING:
            self.flush()

    def take(self, line: str, now_s: float) -> None:
        """Take a line that is ready."""
        self._lines.append(line)
        if len(self._lines) >= MOST_LINES or not self._is_written_later(now_s):
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self.acquire()
        try:
            lines = self._lines[:]
            del self._lines[: len(lines)]  # others may be adding to it, from other threads
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()
        except (OSError, ValueError):
            return  # nobody reads, so there is nobody to tell either
        finally:
            self.release()

    def _is_written_later(self, now_s: float) -> bool:
        if self._due_at_s is not None:
            return now_s < self._due_at_s + EVERY_S
        try:
            self._call_later(EVERY_S, self._timer)
        except RuntimeError:
            return False
        self._due_at_s = now_s + EVERY_S
        return True

    def _timer(self) -> None:
        self._due_at_s = None
        self.flush()


class Stamps:
    """Dates and times for lines; those of one second are made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def at(self, wall_s: float) -> str:
        """`2026-01-31 12:00:00,123`, local time."""
        second = int(wall_s)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second
        return f"{self._text},{int((wall_s - second) * 1000):03d}"


def one_line(text: str) -> str:
    """`text` with all that is not printable escaped: breaks, controls, marks of direction."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


class LineFormatter(logging.Formatter):
    """The form of a record: one line, and below it the lines of a trace, set in."""

    def __init__(self, stamps: Stamps | None = None, form: str = FORMAT) -> None:
        super().__init__(form)
        self._stamps = stamps or Stamps()

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        """The line itself."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: logging._SysExcInfoType) -> str:  # noqa: N802 - logging's
        """The lines of a trace."""
        return _set_in(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's
        """The lines of a stack."""
        return _set_in(super().formatStack(stack_info))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        """The date and time of a line."""
        return self._stamps.at(record.created)


class LineWriter:
    """Lines at INFO that come by the thousand, without a record of `logging` for each.

    They look like all others, and come in order with them. Where logging is not configured by
    `configure_logging`, as in tests, they are records like others.
    """

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)
        self._start = f" {logging.getLevelName(logging.INFO):<7} {name}: "

    def write(self, text: str) -> None:
        """Write one line, if INFO is logged."""
        if not self._log.isEnabledFor(logging.INFO):
            return
        text = one_line(text)
        handlers = logging.getLogger().handlers
        if len(handlers) == 1 and isinstance(handlers[0], BatchingHandler):
            now_s = time.time()
            handlers[0].take(_stamps.at(now_s) + self._start + text, now_s)
        else:
            self._log.info("%s", text)


_stamps = Stamps()


def configure_logging(level: str) -> None:
    """Send the log of every module to stderr from `level` (a logging level name) upwards."""
    handler = BatchingHandler(sys.stderr)
    handler.setFormatter(LineFormatter(_stamps))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # What no format shows need not be found out for each line; see "Optimization" in Python's docs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # botocore speaks of credentials lookup at INFO; nobody running an endpoint asked for it.
    for chatty in ("botocore", "boto3", "urllib3", "s3transfer", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def flush_log() -> None:
    """Write what waits: before a last word on stderr, and before `os._exit`, which tells nobody."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _set_in(text: str) -> str:
    """Lines that cannot be taken for a record's first one."""
    return "\n".join(f"  {one_line(line)}" for line in text.split("\n"))


def _call_later(delay_s: float, write: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(delay_s, write)
