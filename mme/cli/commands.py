"""The commands there are, loaded when they are run, and how an error of theirs becomes a code.

A command is a function of typer's kind that returns its exit code, in a module with `EXAMPLES`
(`NAME_EXAMPLES` where it has several); a group of commands is a `typer.Typer` instead.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
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
    from types import ModuleType

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(frozen=True, slots=True)
class Known:
    """Where a command is, and one line of what it is for."""

    module: str
    name: str
    meaning: str


COMMANDS = {
    "serve": Known("mme.cli.serve_command", "serve", "run the endpoint until SIGTERM or Ctrl-C"),
    "models": Known("mme.cli.models", "models", "list the models that are here or in the store"),
    "load": Known("mme.cli.models", "load", "bring models into memory"),
    "unload": Known("mme.cli.models", "unload", "let models leave memory"),
    "pin": Known("mme.cli.models", "pin", "have models stay in memory"),
    "why": Known("mme.cli.why", "why", "say why a model is in its state"),
    "invoke": Known("mme.cli.invoke", "invoke", "ask a model"),
    "events": Known("mme.cli.happenings", "events", "show loads, evictions, failures, updates, …"),
    "logs": Known("mme.cli.happenings", "logs", "show the endpoint's log, of a model or a request"),
    "batch": Known("mme.cli.batch", "batch", "send the records of a folder or S3 prefix to models"),
    "train": Known(
        "mme.training.command", "train", "make artifacts from corpora, your own or shipped"
    ),
    "evaluate": Known(
        "mme.training.evaluation_command", "evaluate", "measure a model on a labelled set"
    ),
    "export": Known(
        "mme.cli.export", "export", "make an artifact of a sentence encoder's local folder"
    ),
    "ensemble": Known(
        "mme.training.ensemble_command",
        "ensemble",
        "put models and the graph that asks them in one",
    ),
    "alias": Known(
        "mme.cli.alias", "alias", "say which version a target model without .tar.gz means"
    ),
    "configure": Known(
        "mme.cli.configure",
        "configure",
        "have AWS's programs ask an endpoint of ours by AWS_PROFILE",
    ),
    "top": Known("mme.cli.top", "top", "show what an endpoint does, in a terminal"),
    "doctor": Known(
        "mme.cli.doctor", "doctor", "look for what would keep an endpoint from serving here"
    ),
    "settings": Known(
        "mme.cli.settings", "settings", "list every setting with its value and meaning"
    ),
    "version": Known("mme.cli.version", "version", "print the version"),
}


class Commands(TyperGroup):
    """The group of all commands; knows their names and lines without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, known in COMMANDS.items():
            self.commands[name] = TyperCommand(name, short_help=known.meaning)

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
    known = COMMANDS[name]
    module = importlib.import_module(known.module)
    found = getattr(module, known.name)
    if isinstance(found, typer.Typer):
        return get_command(found)  # type: ignore[return-value]
    return single(found, _examples(module, known.name))


def _examples(module: ModuleType, name: str) -> str:
    own = getattr(module, f"{name.upper()}_EXAMPLES", None)
    return str(module.EXAMPLES if own is None else own)


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
