"""The `mme` command: parses, calls, prints. `mme serve` is what `serve.py` and the image run."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import typer

from mme.cli.codes import EXIT_OK, EXIT_PIPE, EXIT_USAGE, MEANINGS
from mme.cli.commands import HELP, Commands, as_written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.core import TyperGroup

DESCRIPTION = """A multi-model endpoint you can run anywhere.

Commands that ask a running endpoint take --endpoint, else MME_ENDPOINT, else this machine's at
MME_PORT (8080). Settings of an endpoint are options of `mme serve`, or variables MME_*; `mme
settings` lists them."""
EXAMPLES = """\
examples:
  mme serve --store s3://bucket/models/
  mme models
  mme invoke en/Search.tar.gz --data 'Spinach has more iron than any other vegetable'
  mme why en/Search.tar.gz
  mme --install-completion                 names of commands, options and models by Tab"""


def make_command() -> TyperGroup:
    """The command line."""
    app = typer.Typer(
        cls=Commands,
        help=DESCRIPTION,
        epilog=as_written(f"{EXAMPLES}\n\n{_codes()}"),
        context_settings=HELP,
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    app.callback()(_all)
    return typer.main.get_command(app)  # type: ignore[return-value]


def _all() -> None:
    """Takes no options of its own."""


def _codes() -> str:
    rows = [f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items()]
    return "\n".join(["exit codes:", *rows])


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code. Raises SystemExit if it cannot be understood."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # where the locale has no umlauts
    try:
        return int(make_command().main(list(arguments), prog_name="mme", standalone_mode=False))
    except typer.TyperException as error:
        error.show()  # type: ignore[attr-defined]
        raise SystemExit(EXIT_USAGE) from None


def leave(code: int) -> NoReturn:
    """End the process now: a thread that waits for a store would hold it for as long as that."""
    if log := sys.modules.get("mme.core.log"):
        log.flush_log()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or EXIT_PIPE
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.flush()
    os._exit(code)


def run() -> None:
    """Entry point of the installed command."""
    try:
        code = main(sys.argv[1:])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else EXIT_OK
    leave(code)


if __name__ == "__main__":
    run()
