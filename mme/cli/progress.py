"""A sign of life on a terminal while something takes long; nothing anywhere else."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def working(what: str) -> AbstractContextManager[object]:
    """Show `what` is being done, on stderr, until that is over."""
    if not sys.stderr.isatty():
        return contextlib.nullcontext()
    from rich.console import Console  # noqa: PLC0415 - for terminals alone
    from rich.text import Text  # noqa: PLC0415

    return Console(stderr=True).status(Text(f"{what} …"))
