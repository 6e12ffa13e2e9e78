"""Options and arguments of commands, in short: their help says what holds without them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")
"""How an address begins, as a path has it: without the second slash."""


def option(name: str, metavar: str | None, meaning: str, **more: Any) -> Any:
    """An option; a flag, or one of several words, needs no `metavar`."""
    return typer.Option(name, metavar=metavar, help=meaning, show_default=False, **more)


def argument(metavar: str | None, meaning: str, **more: Any) -> Any:
    """An argument."""
    return typer.Argument(metavar=metavar, help=meaning, show_default=False, **more)


def check_local(path: Path | None, name: str) -> None:
    """Refuse an address where a path of this machine is wanted: it would be a folder `s3:`."""
    if path is not None and ADDRESS.match(str(path)):
        raise typer.BadParameter(
            "only places on this machine are written to: bring what is made there by `aws s3 cp`",
            param_hint=name,
        )
