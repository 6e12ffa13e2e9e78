"""The `mme` command: parses, calls, prints. `mme serve` is what `serve.py` and the image run."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn, Protocol

from mme.app.modes import PlatformError, read_platform
from mme.cli import alias, batch, configure
from mme.cli.codes import EXIT_OK, EXIT_USAGE
from mme.core.log import configure_logging, flush_log
from mme.core.settings import SettingsError, read_settings
from mme.training import command as training_command
from mme.training import evaluation_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Command(Protocol):
    """A module that is a command."""

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Add what the command takes."""

    def run_command(self, options: argparse.Namespace, /) -> int:
        """Run it; returns the exit code. Raises SettingsError."""


COMMANDS: Mapping[str, tuple[str, Command]] = {
    "train": ("make artifacts from corpora, your own or shipped", training_command),
    "evaluate": ("measure a model on a labelled set", evaluation_command),
    "alias": ("say which version a target model without .tar.gz means", alias),
    "configure": ("have AWS's programs ask an endpoint of ours by AWS_PROFILE", configure),
    "batch": ("send the records of a folder or S3 prefix to models", batch),
}
"""What it is for and who does it; `serve` and `settings` are below."""


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="mme",
        description="A multi-model endpoint you can run anywhere.",
        epilog="Settings are environment variables MME_*; `mme settings` lists them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the endpoint until SIGTERM or Ctrl-C")
    for name, (meaning, module) in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=meaning))
    commands.add_parser("settings", help="list every setting with its value and meaning")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # where the locale has no umlauts
    options = make_parser().parse_args(arguments)
    try:
        if options.command in COMMANDS:
            return COMMANDS[options.command][1].run_command(options)
        settings = read_settings()
        platform = read_platform(os.environ)
    except (SettingsError, PlatformError) as error:
        print(f"mme: {error}", file=sys.stderr)
        return EXIT_USAGE
    if options.command == "settings":
        from mme.cli.settings import print_settings  # noqa: PLC0415

        print_settings(settings)
        return EXIT_OK
    from mme.cli.serve import serve  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format)
    return asyncio.run(serve(settings, platform))


def leave(code: int) -> NoReturn:
    """End the process now: a thread that waits for a store would hold it for as long as that."""
    flush_log()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run() -> None:
    """Entry point of the installed command."""
    leave(main(sys.argv[1:]))
