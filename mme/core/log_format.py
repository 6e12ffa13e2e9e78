"""How a line of the log looks: as text for people, or as JSON for programs.

Whatever a line tells of, it is one line, and shows no control characters: what could look like
another line, or move a terminal's cursor, is escaped here, so that nobody who writes a log needs to
think of it. In text the lines of a trace follow, set in; in JSON they are in a field of it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
TARGET, REQUEST_ID = "target_model", "request_id"
"""What a record may have, by `extra`, besides what `logging` knows."""

Form = Literal["text", "json"]


class Stamps:
    """Dates and times for lines; those of one second are made once."""

    def __init__(self, form: Form = "text") -> None:
        self._is_utc = form == "json"
        self._end = "+00:00" if self._is_utc else ""
        self._second = -1
        self._text = ""

    def at(self, wall_s: float) -> str:
        """`2026-01-31 12:00:00,123`, local time; in JSON `2026-01-31T12:00:00.123+00:00`."""
        second = int(wall_s)
        if second != self._second:
            self._text = (
                time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
                if self._is_utc
                else time.strftime("%Y-%m-%d %H:%M:%S,", time.localtime(second))
            )
            self._second = second
        return f"{self._text}{int((wall_s - second) * 1000):03d}{self._end}"


def one_line(text: str) -> str:
    """`text` with all that is not printable escaped: breaks, controls, marks of direction."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def set_in(text: str) -> str:
    """Lines that cannot be taken for a record's first one."""
    return "\n".join(f"  {one_line(line)}" for line in text.split("\n"))


@dataclass(slots=True)
class Line:
    """What is told by one line; in text, with a trace, by several. Any text will do."""

    at: float
    """Wall clock, seconds."""
    level: int
    logger: str
    message: str
    target: str = ""
    """The target model it is about; "": none, or it is not known."""
    request_id: str = ""
    trace: str = ""
    about: str = ""
    """What text shows before the message."""
    members: Callable[[], str] | None = None
    """Makes what JSON has besides, as `,"a":1,"b":2`."""
    is_of_request: bool = False
    """Whether it is the one line of a request."""
    id: int = 0


class LineForm(Protocol):
    """Makes text of lines."""

    def text(self, line: Line) -> str:
        """The text of a line, without its end."""


class TextForm:
    """`2026-01-31 12:00:00,123 INFO    mme.room: text`, and a trace below, set in."""

    def __init__(self) -> None:
        self._stamps = Stamps()

    def text(self, line: Line) -> str:
        """See LineForm."""
        level = _PADDED.get(line.level) or level_name(line.level)
        about = f" [{line.about}]" if line.about else ""
        told = f"{self._stamps.at(line.at)} {level} {line.logger}{about}: {line.message}"
        if not told.isprintable():
            told = one_line(told)
        return f"{told}\n{set_in(line.trace)}" if line.trace else told


class JsonForm:
    """An object a line: `at`, `level`, `logger`, `message`, and what else is known."""

    def __init__(self) -> None:
        self._stamps = Stamps("json")

    def text(self, line: Line) -> str:
        """See LineForm."""
        target = f',"{TARGET}":{quoted(line.target)}' if line.target else ""
        request = f',"{REQUEST_ID}":{quoted(line.request_id)}' if line.request_id else ""
        more = "" if line.members is None else line.members()
        trace = f',"trace":{quoted(line.trace)}' if line.trace else ""
        return (
            f'{{"at":"{self._stamps.at(line.at)}","level":"{level_name(line.level)}"'
            f',"logger":{quoted(line.logger)},"message":{quoted(line.message)}'
            f"{target}{request}{more}{trace}}}"
        )


quoted: Callable[[str], str] = encode_basestring_ascii
"""A JSON string in ASCII, so that nothing in it is a break, a control or half a surrogate pair."""
_LEVELS = {number: logging.getLevelName(number) for number in (10, 20, 30, 40, 50)}

_PADDED = {number: f"{name:<7}" for number, name in _LEVELS.items()}


def level_name(level: int) -> str:
    """`INFO` and so on."""
    return _LEVELS.get(level) or logging.getLevelName(level)


def form_named(form: Form) -> LineForm:
    """The form of that name."""
    return JsonForm() if form == "json" else TextForm()


class LineFormatter(logging.Formatter):
    """The form of a record where nobody asks for another: text, and a trace below, set in."""

    def __init__(self, form: str = FORMAT) -> None:
        super().__init__(form)
        self._stamps = Stamps()

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        """The line itself."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: logging._SysExcInfoType) -> str:  # noqa: N802 - logging's
        """The lines of a trace."""
        return set_in(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's
        """The lines of a stack."""
        return set_in(super().formatStack(stack_info))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        """The date and time of a line."""
        return self._stamps.at(record.created)


_PLAIN = logging.Formatter()


def trace_of(record: logging.LogRecord) -> str:
    """The trace of a record's error, and its stack; "": it has none."""
    parts = []
    if record.exc_info:
        parts.append(_PLAIN.formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)
