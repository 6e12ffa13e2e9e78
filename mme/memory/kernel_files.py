"""Reading the kernel's small text files; one that is missing or gone reads as empty."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024


def text(path: Path) -> str:
    """The content, without white space around it."""
    with contextlib.suppress(OSError):
        return path.read_text("ascii", "replace").strip()
    return ""


def number(path: Path) -> int | None:
    """The whole number that is all of the file; None if it says something else, as `max`."""
    found = text(path)
    return int(found) if found.isdecimal() else None


def numbers(path: Path, scale: int = 1) -> dict[str, int]:
    """The `name number` or `name: number kB` lines of a file."""
    found: dict[str, int] = {}
    for line in text(path).splitlines():
        name, _, rest = line.partition(" ") if ":" not in line else line.partition(":")
        words = rest.split(maxsplit=1)
        if words and words[0].isdecimal():
            found[name] = int(words[0]) * scale
    return found
