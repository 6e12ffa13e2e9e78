"""Logging: one line per event on stderr, with a level and the module that speaks.

Lines of one process are written together, at most a tenth of a second late: under load, writing
each by itself would take longer than the request it tells of. Warnings and errors are written at
once, with all that came before; those of requests are not, since they come by the thousand when an
endpoint is overloaded. What a line looks like is up to `log_format`, the last ones are kept in
`log_ring`. Leaves the request log to the gateway, and to `mme.mms` and `mme.prefork` how the lines
of the model server and of workers come here.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING, TextIO

from mme.core.log_format import (
    REQUEST_ID,
    TARGET,
    Form,
    Line,
    LineFormatter,
    form_named,
    trace_of,
)
from mme.core.log_ring import RING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.log_format import LineForm
    from mme.core.log_ring import LogRing

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
        *,
        form: LineForm | None = None,
        ring: LogRing | None = None,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._call_later = call_later or _call_later
        self._form = form
        self._ring = ring
        self._lines: list[str] = []
        self._due_at_s: float | None = None
        """When the timer writes, by the clock of records; None: there is no timer."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take the line of a record."""
        try:
            if self._form is None:
                self._take(self.format(record), record.created)
            else:
                self.tell(line_of(record))
        except Exception:  # noqa: BLE001 - a line that cannot be made must not end its speaker
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING:
            self.flush()

    def tell(self, line: Line) -> None:
        """Take a line for which there is no record."""
        self._take((self._form or _TEXT).text(line), line.at)
        if self._ring is not None:
            self._ring.add(line)

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

    def _take(self, line: str, now_s: float) -> None:
        self._lines.append(line)
        if len(self._lines) >= MOST_LINES or not self._is_written_later(now_s):
            self.flush()

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


class LineWriter:
    """Lines that come by the thousand, without a record of `logging` for each.

    They look like all others, and come in order with them. Where logging is not configured by
    `configure_logging`, as in tests, they are records like others.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._log = logging.getLogger(name)

    def takes(self, level: int) -> bool:
        """Whether lines of this level are logged."""
        return self._log.isEnabledFor(level)

    def write(self, text: str) -> None:
        """Write a line at INFO, if that is logged."""
        if self.takes(logging.INFO):
            self.tell(Line(time.time(), logging.INFO, self.name, text))

    def tell(self, line: Line) -> None:
        """Write a line of this name, of a level that is taken."""
        handlers = logging.getLogger().handlers
        if len(handlers) == 1 and isinstance(handlers[0], BatchingHandler):
            handlers[0].tell(line)
        else:
            text = f"{line.message}\n{line.trace}" if line.trace else line.message
            extra = {TARGET: line.target, REQUEST_ID: line.request_id}
            self._log.log(line.level, "%s", text, extra=extra)


def line_of(record: logging.LogRecord) -> Line:
    """What a record tells."""
    return Line(
        record.created, record.levelno, record.name, record.getMessage(),
        getattr(record, TARGET, ""), getattr(record, REQUEST_ID, ""), trace_of(record),
    )  # fmt: skip


_TEXT = form_named("text")


def configure_logging(level: str, form: Form = "text", ring: LogRing = RING) -> None:
    """Send the log of every module to stderr from `level` (a logging level name) upwards."""
    handler = BatchingHandler(sys.stderr, form=form_named(form), ring=ring)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # What no format shows need not be found out for each line; see "Optimization" in Python's docs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # botocore speaks of credentials lookup at INFO; nobody running an endpoint asked for it.
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


CHATTY = (
    "botocore",
    "boto3",
    "urllib3",
    "s3transfer",
    "asyncio",
    "grpc",
    "numba",
    "matplotlib",
    "PIL",
)
"""Libraries whose DEBUG and INFO nobody who runs an endpoint asked for."""


def flush_log() -> None:
    """Write what waits: before a last word on stderr, and before `os._exit`, which tells nobody."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _call_later(delay_s: float, write: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(delay_s, write)
