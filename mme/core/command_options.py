"""Options and arguments of commands, in short: their help says what holds without them."""

from __future__ import annotations

from typing import Any

import typer


def option(name: str, metavar: str | None, meaning: str, **more: Any) -> Any:
    """An option; a flag, or one of several words, needs no `metavar`."""
    return typer.Option(name, metavar=metavar, help=meaning, show_default=False, **more)


def argument(metavar: str | None, meaning: str, **more: Any) -> Any:
    """An argument."""
    return typer.Argument(metavar=metavar, help=meaning, show_default=False, **more)
