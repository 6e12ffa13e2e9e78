"""Single keys of a terminal, read without waiting for the end of a line."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES = 64
SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page-up",
    b"\x1b[6~": "page-down",
    b"\x1b[H": "home",
    b"\x1b[1~": "home",
}
"""What terminals send for keys that are no letters."""


@contextlib.contextmanager
def keys_of(descriptor: int | None = None) -> Iterator[Callable[[float], str]]:
    """A function that waits at most so many seconds for a key; "": none came.

    The terminal is as it was when the block ends. Where `descriptor` (default: standard input) is
    no terminal, no key ever comes.
    """
    number = sys.stdin.fileno() if descriptor is None else descriptor
    if not os.isatty(number):
        yield _waiting
        return
    kept = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield lambda patience_s: _key(number, patience_s)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, kept)


def _key(descriptor: int, patience_s: float) -> str:
    ready, _, _ = select.select([descriptor], [], [], patience_s)
    if not ready:
        return ""
    said = os.read(descriptor, MOST_BYTES)
    if not said:  # the terminal is gone
        raise EOFError
    if said in SEQUENCES:
        return SEQUENCES[said]
    return said.decode("utf-8", "replace")[:1]


def _waiting(patience_s: float) -> str:
    select.select([], [], [], patience_s)
    return ""
