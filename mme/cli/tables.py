"""What commands print: tables, sizes, times, JSON. Columns line up; "-" stands for nothing.

On a terminal a table has colour, unless NO_COLOR is set, and is cut to the terminal's width; to
anything else a line of text goes for each row, whole, so that `grep` and `awk` can read it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
STEP = 1024
NOTHING = "-"
COLOURS = {
    "ready": "green",
    "loading": "yellow",
    "downloading": "yellow",
    "evicted": "yellow",
    "load_failed": "red",
    "update_failed": "red",
    "worker_died": "red",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "red",
}
"""Words that are a cell of their own."""
FEW = 10
GAP = 2
LEAST_CHARS = 20
"""Of a last column that is cut."""


def print_json(content: object) -> None:
    """Indented, for programs and people."""
    print(_json(content, indent=2))


def print_json_line(content: object) -> None:
    """On one line, at once: one of a stream."""
    print(_json(content), flush=True)


def _json(content: object, indent: int | None = None) -> str:
    """JSON that moves no terminal's cursor: what does not print is escaped, as JSON has it.

    JSON itself escapes the oldest of those signs only, and lets half a pair of surrogates stand,
    which nothing can print.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text
    )


def print_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    least: Sequence[str] = (),
) -> None:
    """A table; the columns `right` are aligned to the right.

    Where a terminal is too narrow, columns are left out in the order of `least`, then the last one
    is cut.
    """
    columns = [[name] for name in head]
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            column.append(plain(cell) or NOTHING)
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for name in least:
        if _width(columns) > room:
            columns = [column for column in columns if column[0] != name]
    room -= sum(max(map(len, column)) + GAP for column in columns[:-1])
    last = [_cut(cell, max(room, LEAST_CHARS)) for cell in columns[-1]]
    widths = [max(map(len, column)) for column in columns]
    for number, cells in enumerate(zip(*columns[:-1], last, strict=True)):
        parts = [
            _padded(cell, width, is_right=column[0] in right, is_head=not number)
            for cell, width, column in zip(cells, widths, columns, strict=True)
        ]
        print((" " * GAP).join(parts).rstrip())


def _width(columns: Sequence[Sequence[str]]) -> int:
    """Of these columns side by side; the last one counts no more than it has to have."""
    widths = [max(map(len, column)) for column in columns]
    widths[-1] = min(widths[-1], LEAST_CHARS)
    return sum(widths) + GAP * (len(widths) - 1)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _padded(cell: str, width: int, *, is_right: bool, is_head: bool) -> str:
    blank = " " * (width - len(cell))
    if has_colour():
        cell = typer.style(cell, bold=True) if is_head else coloured(cell)
    return blank + cell if is_right else cell + blank


def coloured(word: str, width: int = 0) -> str:
    """A word of others padded to `width`, with its colour where that is seen."""
    word = plain(word)
    colour = COLOURS.get(word)
    if colour is None or not has_colour():
        return word.ljust(width)
    return typer.style(word, fg=colour) + " " * (width - len(word))


def has_colour() -> bool:
    """Whether colours are wanted on the standard output."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def plain(text: object) -> str:
    """Text of others on one line: what would move the cursor or colour the rest is replaced."""
    return "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in str(text)
    )


def size(count: object) -> str:
    """Bytes with a unit."""
    if not isinstance(count, int | float):
        return ""
    value, place = float(count), 0
    while value >= STEP and place < len(UNITS) - 1:
        value, place = value / STEP, place + 1
    return f"{value:.1f} {UNITS[place]}" if place and value < FEW else f"{value:.0f} {UNITS[place]}"


def milliseconds(value: object) -> str:
    """Milliseconds with as many digits as say something."""
    if not isinstance(value, int | float):
        return ""
    return f"{value:.2f} ms" if value < FEW else f"{value:.0f} ms"


def clock(at: object) -> str:
    """A time of the endpoint (ISO-8601) in this machine's zone; of another day with its date."""
    if not isinstance(at, str):
        return ""
    try:
        told = datetime.fromisoformat(at).astimezone()
    except ValueError:
        return plain(at)
    today = datetime.now(UTC).astimezone().date()
    return f"{told:%H:%M:%S}" if told.date() == today else f"{told:%Y-%m-%d %H:%M:%S}"
