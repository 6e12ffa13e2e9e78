"""What a process of ours says: each line with the model and the request it is said for.

Records of `logging`, what is printed, and what is written on `sys.stderr` become lines of
`mme.core.worker_line` on standard output; so does what libraries write on `sys.stdout.buffer`. What
is written past Python, on the descriptors, stays as it is. A worker does one request at a time, so
there is one answer to what a line is said for: `begin` and `end` tell. Who reads them is for
`mme.mms` and `mme.core.child_lines`.
"""

from __future__ import annotations

import io
import logging
import os
import sys

from mme.core.log import CHATTY
from mme.core.log_format import trace_of
from mme.core.worker_line import WorkerLine, encode

LONGEST_BYTES = 16 * 1024
"""More without a line break is said in pieces."""
STDOUT, STDERR = 1, 2
METRICS = "[METRICS]"
"""How the model server's package prints numbers that nobody reads here."""


class Output:
    """Says lines, of what is going on now. One a process, inherited by its forks."""

    def __init__(self, descriptor: int = STDOUT) -> None:
        self._descriptor = descriptor
        self._streams: list[Lines] = []
        self.target = ""
        self.request_id = ""

    def begin(self, target: str, request_id: str = "") -> None:
        """From now on lines are of this model, said for this request."""
        self.target, self.request_id = target, request_id

    def end(self) -> None:
        """Say what has no line break yet; what comes now is of no request."""
        for stream in self._streams:
            stream.end()
        self.target = self.request_id = ""

    def say(self, level: int, logger: str, message: str, trace: str = "") -> None:
        """Say one line; where nobody reads, there is nobody to tell either."""
        line = WorkerLine(level, logger, message, self.target, self.request_id, trace)
        data = memoryview(f"{encode(line)}\n".encode("ascii"))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            return

    def stream(self, level: int, logger: str) -> Lines:
        """A stream whose lines are said."""
        made = Lines(self, level, logger)
        self._streams.append(made)
        return made


class _Pieces(io.RawIOBase):
    """Bytes of a stream, said line by line."""

    def __init__(self, output: Output, level: int, logger: str, descriptor: int) -> None:
        self._output = output
        self._level = level
        self._logger = logger
        self._descriptor = descriptor
        self._rest = b""

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """Where those write who want a descriptor."""
        return self._descriptor

    def write(self, data: object) -> int:
        """Take bytes; whole lines of them are said."""
        content = bytes(data)  # type: ignore[call-overload]
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self._say(line)
        whole = len(self._rest) // LONGEST_BYTES * LONGEST_BYTES
        for place in range(0, whole, LONGEST_BYTES):
            self._say(self._rest[place : place + LONGEST_BYTES])
        self._rest = self._rest[whole:]
        return len(content)

    def end(self) -> None:
        """Say what has no line break."""
        rest, self._rest = self._rest, b""
        if rest:
            self._say(rest)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace").rstrip("\r")
        if text and not text.startswith(METRICS):
            self._output.say(self._level, self._logger, text)


class Lines(io.TextIOWrapper):
    """What stands for `sys.stdout` or `sys.stderr`."""

    def __init__(self, output: Output, level: int, logger: str) -> None:
        self._pieces = _Pieces(
            output, level, logger, STDERR if level >= logging.WARNING else STDOUT
        )
        super().__init__(
            io.BufferedWriter(self._pieces),
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            line_buffering=True,
        )

    def end(self) -> None:
        """Say what has no line break."""
        try:
            self.flush()
        except ValueError:  # closed by whoever thought it was theirs
            return
        self._pieces.end()


class RecordsSaid(logging.Handler):
    """Says records of `logging`."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record."""
        try:
            self._output.say(record.levelno, record.name, record.getMessage(), trace_of(record))
        except Exception:  # noqa: BLE001 - a line that cannot be made must not end its speaker
            self.handleError(record)


OUTPUT = Output()
"""Of this process."""


def install(level: str) -> None:
    """Have this process, and its forks, say all from `level` (a logging level name) upwards."""
    logging.basicConfig(handlers=[RecordsSaid(OUTPUT)], level=level.upper(), force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.stdout = OUTPUT.stream(logging.INFO, "stdout")
    sys.stderr = OUTPUT.stream(logging.WARNING, "stderr")
