"""What commands print: tables, sizes, times, JSON. Columns line up; "-" stands for nothing.

On a terminal a table has colour, unless NO_COLOR is set, and is cut to the terminal's width; to
anything else a line of text goes for each row, whole, so that `grep` and `awk` can read it.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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


def print_json(content: object) -> None:
    """Indented, for programs and people."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def print_json_line(content: object) -> None:
    """On one line, at once: one of a stream."""
    print(json.dumps(content, ensure_ascii=False), flush=True)


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: str = "") -> None:
    """A table; columns named in `right` (by words) are aligned to the right."""
    cells = [[plain(cell) or NOTHING for cell in row] for row in rows]
    to_right = [name in right.split() for name in head]
    if sys.stdout.isatty():
        _print_rich(head, cells, to_right)
        return
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for row in [head, *cells]:
        parts = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, to_right, strict=True)
        ]
        print("  ".join(parts).rstrip())


def _print_rich(
    head: Sequence[str], cells: Sequence[Sequence[str]], to_right: Sequence[bool]
) -> None:
    from rich.console import Console  # noqa: PLC0415 - for terminals alone
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, (name, is_right) in enumerate(zip(head, to_right, strict=True)):
        is_last = number == len(head) - 1
        table.add_column(
            name,
            justify="right" if is_right else "left",
            no_wrap=number != 0 and not is_last,
            overflow="fold" if number == 0 or is_last else "ellipsis",
        )
    for row in cells:
        table.add_row(*(Text(cell, COLOURS.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)


def coloured(word: str, width: int = 0) -> str:
    """A word padded to `width`, with its colour where that is seen."""
    colour = COLOURS.get(word)
    if colour is None or not has_colour():
        return word.ljust(width)
    import typer  # noqa: PLC0415

    return typer.style(word, fg=colour) + " " * (width - len(word))


def has_colour() -> bool:
    """Whether colours are wanted on the standard output."""
    import os  # noqa: PLC0415

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
