"""The commands there are, loaded when they are run, and how an error of theirs becomes a code.

A command is a function of typer's kind that returns its exit code, in a module with `EXAMPLES`
(`NAME_EXAMPLES` where it has several); a group of commands is a `typer.Typer` instead.
"""

from __future__ import annotations

import importlib
import os
import sys
from http import HTTPStatus
from ssl import SSLCertVerificationError
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mme.cli.client import BadAddress, EndpointUnreachable, NoSuchModel, NotOurs, Refused
from mme.cli.codes import EXIT_INTERRUPTED, EXIT_PIPE, EXIT_UNREACHABLE, EXIT_USAGE, code_of
from mme.cli.misspelt import warnings

if TYPE_CHECKING:
    from collections.abc import Callable

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
COMMANDS = {
    "serve": ("mme.cli.serve_command", "run the endpoint until SIGTERM or Ctrl-C"),
    "models": ("mme.cli.models", "list the models that are here or in the store"),
    "load": ("mme.cli.models", "bring models into memory"),
    "unload": ("mme.cli.models", "let models leave memory"),
    "pin": ("mme.cli.models", "have models stay in memory"),
    "why": ("mme.cli.why", "say why a model is in its state"),
    "invoke": ("mme.cli.invoke", "ask a model"),
    "events": ("mme.cli.happenings", "show loads, evictions, failures, updates, …"),
    "logs": ("mme.cli.happenings", "show the endpoint's log, of a model or a request"),
    "batch": ("mme.cli.batch", "send the records of a folder or S3 prefix to models"),
    "train": ("mme.training.command", "make artifacts from corpora, your own or shipped"),
    "evaluate": ("mme.training.evaluation_command", "measure a model on a labelled set"),
    "export": ("mme.cli.export", "make an artifact of a sentence encoder's local folder"),
    "ensemble": ("mme.training.ensemble_command", "put models and the graph that asks them in one"),
    "alias": ("mme.cli.alias", "say which version a target model without .tar.gz means"),
    "deploy": ("mme.cli.deploy", "deploy to SageMaker: up, status, logs, update, delete"),
    "configure": (
        "mme.cli.configure",
        "have AWS's programs ask an endpoint of ours by AWS_PROFILE",
    ),
    "top": ("mme.cli.top", "show what an endpoint does, in a terminal"),
    "doctor": ("mme.cli.doctor", "look for what would keep an endpoint from serving here"),
    "plan": ("mme.cli.plan", "say what a trace of requests takes: memory, cores, instances"),
    "settings": ("mme.cli.settings", "list every setting with its value and meaning"),
    "version": ("mme.cli.version", "print the version"),
}
"""Name -> the module that has a function, or group, of that name, and a line of what it is for."""


class Commands(TyperGroup):
    """The group of all commands; knows their names and lines without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, meaning) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, short_help=meaning)

    def resolve_command(
        self, ctx: Any, args: list[str]
    ) -> tuple[str | None, TyperCommand | TyperGroup | None, list[str]]:
        """The command that is meant, imported."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, command_of(name) if name and found else None, rest

    def invoke(self, ctx: Any) -> int:
        """Run the command; returns the exit code."""
        for line in warnings(os.environ):
            say(line)
        try:
            return int(super().invoke(ctx) or 0)
        except KeyboardInterrupt:
            say("interrupted")
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            quieten()
            return EXIT_PIPE
        except (BadAddress, EndpointUnreachable, Refused, UnicodeEncodeError) as error:
            text, code = _told(error)
            say(text)
            return code


def _told(error: Exception) -> tuple[str, int]:
    """What is said of an error, and its exit code."""
    match error:
        case BadAddress():
            return str(error), EXIT_USAGE
        case EndpointUnreachable():
            if isinstance(error.__cause__, SSLCertVerificationError):  # it runs
                return str(error), EXIT_UNREACHABLE
            hint = "is it running? (`mme serve`, or name it with --endpoint)"
            return f"{error}; {hint}", EXIT_UNREACHABLE
        case Refused():
            return f"{error.message}{_hint(error)}", code_of(error)
        case _:
            return "an argument is no UTF-8", EXIT_USAGE


def _hint(error: Refused) -> str:
    """Where a path is missing, it is no model that is."""
    is_other = isinstance(error, NotOurs) or error.status == HTTPStatus.NOT_FOUND
    if not is_other or isinstance(error, NoSuchModel):
        return ""
    return "; only a standalone endpoint of mme answers this"


def command_of(name: str) -> TyperCommand | TyperGroup:
    """The command, imported now."""
    module = importlib.import_module(COMMANDS[name][0])
    found = getattr(module, name)
    if isinstance(found, typer.Typer):
        return get_command(found)  # type: ignore[return-value]
    return single(found, getattr(module, f"{name.upper()}_EXAMPLES", "") or module.EXAMPLES)


def single(function: Callable[..., int], examples: str) -> TyperCommand:
    """A function as a command; its docstring is the help, `examples` are kept line for line."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(epilog=as_written(examples), context_settings=HELP)(function)
    return get_command(app)  # type: ignore[return-value]


def as_written(text: str) -> str:
    """Text that help does not wrap."""
    return "\n\n".join(f"\b\n{part}" for part in text.split("\n\n"))


def quieten() -> None:
    """Have what is still to be written go nowhere: nobody reads it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def say(text: str) -> None:
    """A line for people."""
    print(f"mme: {text}", file=sys.stderr)
