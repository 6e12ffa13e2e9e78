"""`python -m mme.training` is `mme train`."""

from __future__ import annotations

import sys

import typer

from mme.training.command import train

if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(train)
    sys.exit(app(standalone_mode=False))
