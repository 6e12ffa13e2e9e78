"""`mme settings`: every setting, its value, where that comes from, and what it means."""

from __future__ import annotations

import ast
import inspect
import itertools
import os
from typing import TYPE_CHECKING, Annotated

from mme.cli import tables
from mme.cli.codes import EXIT_OK
from mme.cli.options import JsonOption  # noqa: TC001 - typer reads it
from mme.core import settings as settings_module
from mme.core.command_options import argument
from mme.core.settings import read_settings

if TYPE_CHECKING:
    from mme.core.settings import Settings

EXAMPLES = """\
examples:
  mme settings
  mme settings memory pool          those with one of these words in their names
  mme settings --json
  MME_STORE=s3://bucket/models/ mme settings store"""


def settings(
    words: Annotated[
        list[str] | None,
        argument("WORD", "only settings with such a name"),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> int:
    """List every setting of the endpoint with its value here, its source, and its meaning.

    A setting is an environment variable; `mme serve` takes each as an option too.
    """
    rows = [
        row
        for row in _rows(read_settings())
        if not words or any(word.upper() in str(row["variable"]) for word in words)
    ]
    if as_json:
        tables.print_json(rows)
        return EXIT_OK
    for row in rows:
        source = "" if row["source"] == "default" else f"  ({row['source']})"
        print(f"{row['variable']}={row['value']}{source}\n    {row['meaning']}")
    return EXIT_OK


def meanings() -> dict[str, str]:
    """The sentence under each field of Settings, by the field's name."""
    tree = ast.parse(inspect.getsource(settings_module.Settings).strip())
    body = tree.body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _rows(read: Settings) -> list[dict[str, object]]:
    given = {name.upper() for name in os.environ}
    rows: list[dict[str, object]] = []
    for name, meaning in meanings().items():
        value = getattr(read, name)
        variable = f"MME_{name.upper()}"
        shown = ",".join(value) if isinstance(value, tuple) else "" if value is None else value
        rows.append(
            {
                "variable": variable,
                "value": shown if isinstance(shown, bool | int | float) else str(shown),
                "source": "environment" if variable in given else "default",
                "meaning": meaning,
            }
        )
    return rows
