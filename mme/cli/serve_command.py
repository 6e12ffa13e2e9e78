"""`mme serve` on the command line: each setting as an option over its variable.

The options are made of `Settings`, so that there is none that it has not. What is given is put into
the environment, where settings are read; running the endpoint is `serve`'s.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from mme.app.modes import PlatformError, read_platform
from mme.cli.codes import EXIT_USAGE
from mme.cli.commands import say
from mme.cli.settings import meanings
from mme.core.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = """\
examples:
  mme serve
  mme serve --port 9000 --store s3://bucket/models/ --memory-limit 4GiB
  MME_STORE=s3://bucket/models/ mme serve     the same by a variable: docs/settings.md

An option counts more than its variable. What is not given is as `mme settings` says."""
METAVARS = {Path: "PATH", int: "N", float: "NUMBER"}


def serve(**options: str | bool | None) -> int:
    """Run the endpoint until SIGTERM or Ctrl-C; each option is a setting.

    Where SageMaker's variables ask for a container of its kinds, it is that: docs/containers.md.
    """
    for name, value in options.items():
        if value is not None:
            os.environ[f"MME_{name.upper()}"] = str(value)
    try:
        settings, platform = read_settings(), read_platform(os.environ)
    except (SettingsError, PlatformError) as error:
        say(str(error))
        return EXIT_USAGE
    from mme.cli.serve import serve as run  # noqa: PLC0415 - takes a second
    from mme.core.log import configure_logging  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format)
    return asyncio.run(run(settings, platform))


def _parameters() -> Iterator[inspect.Parameter]:
    """One for each setting, in the order they are defined."""
    for name, meaning in meanings().items():
        kind = Settings.model_fields[name].annotation
        dashed = name.replace("_", "-")
        declared = f"--{dashed}/--no-{dashed}" if kind is bool else f"--{dashed}"
        option = typer.Option(
            declared,
            metavar=None if kind is bool else _metavar(name, kind),
            help=meaning,
            show_default=False,
        )
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[(bool if kind is bool else str) | None, option],
        )


def _metavar(name: str, kind: Any) -> str:
    """What stands for a value in the help."""
    if isinstance(kind, UnionType):
        kind = next(each for each in get_args(kind) if each is not NoneType)
    if get_origin(kind) is Literal:
        return "|".join(filter(None, get_args(kind)))
    if get_origin(kind) is tuple:
        return "LIST"
    if name.endswith("_s"):
        return "SECONDS"
    return METAVARS.get(kind, "TEXT")


serve.__signature__ = inspect.Signature(list(_parameters()))  # type: ignore[attr-defined]
serve.__annotations__ = {}
