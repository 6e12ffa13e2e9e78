"""The options of the training command, and what they say of a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mme.core.command_options import argument, option
from mme.training.plan import read_value
from models.tables import check_told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mme.training.own_data import Own
    from models.tables import Told

EXAMPLES = """\
examples:
  mme train Search --corpus claims.csv
  mme train Search --corpus claims.csv --text-column Behauptung --evaluation questions.csv
  mme train Search --corpus s3://bucket/claims.csv --language en --name en/Search \\
                   --output s3://bucket/models/
  mme train TopicalPageRank --corpus claims.csv --set n_topics=20 --set 'extra_stop_words=["x"]'
  MME_STORE=artifacts mme serve    # then serves what was trained

Search reads the columns title and claim_text, DocSim claim_text, TopicalPageRank title.
Parameters: docs/training.md. What they do not say is as in models/FAMILY/FAMILY-params.json."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a training was asked for."""

    families: tuple[str, ...]
    own: Own
    output: str | None
    models: Path | None
    has_sample: bool
    is_quiet: bool
    as_json: bool = False


Families: TypeAlias = Annotated[
    list[str] | None,
    argument("FAMILY", "TopicalPageRank, DocSim or Search: train just these"),
]
Corpus: TypeAlias = Annotated[
    str | None,
    option("--corpus", "PLACE", "train on this CSV, or the only one of a folder, here or s3://..."),
]
Language: TypeAlias = Annotated[
    str | None,
    option("--language", "CODE", "de, en, ... (default: as the corpus looks, else as shipped)"),
]
Name: TypeAlias = Annotated[
    str | None,
    option(
        "--name",
        "NAME",
        "what to call the artifact, slashes for folders (default: the family)",
    ),
]
Evaluation: TypeAlias = Annotated[
    str | None,
    option(
        "--evaluation", "SET", "evaluate the model on this: a CSV, JSON lines, or a folder of sets"
    ),
]
Output: TypeAlias = Annotated[
    str | None,
    option(
        "--output",
        "PLACE",
        "folder or s3://bucket/prefix/ for artifact and reports (default: artifacts/)",
    ),
]
Set: TypeAlias = Annotated[
    list[str] | None,
    option(
        "--set",
        "KEY=VALUE",
        "a parameter; JSON if it is JSON, else a string; may be given several times",
    ),
]
TextColumn: TypeAlias = Annotated[
    str | None, option("--text-column", "NAME", "the column with the texts")
]
TitleColumn: TypeAlias = Annotated[
    str | None, option("--title-column", "NAME", "the column with the titles")
]
IdColumn: TypeAlias = Annotated[
    str | None, option("--id-column", "NAME", "the column with the ids")
]
Separator: TypeAlias = Annotated[
    str | None,
    option(
        "--separator",
        "CHARACTER",
        "what separates the cells of the CSV; tab for a tab (default: as the header looks)",
    ),
]
Encoding: TypeAlias = Annotated[
    str | None,
    option("--encoding", "NAME", "of the CSV, such as utf-8 or cp1252 (default: as it looks)"),
]
Sample: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--sample-request",
        help="put a request into the artifact that endpoints try before an alias means it",
    ),
]
Models: TypeAlias = Annotated[
    Path | None,
    option(
        "--models",
        "DIR",
        "folder with models_to_be_trained.json and a folder per family (default: models/)",
    ),
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="print what was made as a JSON list, when all is done")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="show no progress")]


def merged(texts: Iterable[str]) -> dict[str, object]:
    """The last value of each key of `KEY=VALUE`. Raises BadParameter."""
    return dict(setting(text) for text in texts)


def setting(text: str) -> tuple[str, object]:
    """One KEY=VALUE. Raises BadParameter."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"{text!r} is no KEY=VALUE", param_hint="--set")
    return key.strip(), read_value(value)


def check_table(separator: str | None, encoding: str | None) -> Told:
    """How a table is written, if that can be. Raises BadParameter."""
    try:
        return check_told(separator, encoding)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
