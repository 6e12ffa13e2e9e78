"""The `mme` command: parses, calls, prints. `mme serve` is what `serve.py` and the image run."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from mme.app.modes import PlatformError, read_platform
from mme.cli import alias, batch
from mme.cli.codes import EXIT_OK, EXIT_USAGE
from mme.core.log import configure_logging, flush_log
from mme.core.settings import SettingsError, read_settings
from mme.training import evaluation_command
from mme.training.command import run_command
from mme.training.options import add_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="mme",
        description="A multi-model endpoint you can run anywhere.",
        epilog="Settings are environment variables MME_*; `mme settings` lists them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the endpoint until SIGTERM or Ctrl-C")
    train = commands.add_parser("train", help="make artifacts from corpora, your own or shipped")
    add_arguments(train)
    evaluation_command.add_arguments(
        commands.add_parser("evaluate", help="measure a model on a labelled set")
    )
    alias.add_arguments(
        commands.add_parser("alias", help="say which version a target model without .tar.gz means")
    )
    batch.add_arguments(
        commands.add_parser("batch", help="send the records of a folder or S3 prefix to models")
    )
    commands.add_parser("settings", help="list every setting with its value and meaning")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # where the locale has no umlauts
    options = make_parser().parse_args(arguments)
    try:
        if options.command == "train":
            return run_command(options)
        if options.command == "evaluate":
            return evaluation_command.run_command(options)
        if options.command == "alias":
            return alias.run_command(options)
        if options.command == "batch":
            return batch.run_command(options)
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

    configure_logging(settings.log_level)
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
