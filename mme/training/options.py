"""The options of the training command, and what they say of a job."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mme.training.own_data import Own
from mme.training.plan import read_value
from models.tables import check_told

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("text", "title", "id")
DESCRIPTION = """\
Make artifacts from corpora: a CSV with a header line goes in, NAME.tar.gz and a report come out.
Without --corpus: the models switched on in models/models_to_be_trained.json, each on the corpus in
its folder of models/."""
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


PLAIN = {
    "--corpus": ("PLACE", "train on this CSV, or the only one of a folder, here or s3://..."),
    "--language": ("CODE", "de, en, ... (default: as the corpus looks, else as shipped)"),
    "--name": ("NAME", "what to call the artifact, slashes for folders (default: the family)"),
    "--evaluation": ("SET", "evaluate the model on this: a CSV, JSON lines, or a folder of sets"),
    "--output": (
        "PLACE",
        "folder or s3://bucket/prefix/ for artifact and reports (default: artifacts/)",
    ),
}
"""Options of one text: what stands for it in the help, and what they mean."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    families = "TopicalPageRank, DocSim or Search: train just these"
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=families)
    for option, (metavar, meaning) in PLAIN.items():
        parser.add_argument(option, metavar=metavar, help=meaning)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=setting,
        metavar="KEY=VALUE",
        dest="settings",
        help="a parameter; JSON if it is JSON, else a string; may be given several times",
    )
    for name in COLUMNS:
        parser.add_argument(f"--{name}-column", metavar="NAME", help=f"the column with the {name}s")
    add_table_arguments(parser)
    parser.add_argument(
        "--sample-request",
        action="store_true",
        help="put a request into the artifact that endpoints try before an alias means it",
    )
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="folder with models_to_be_trained.json and a folder per family (default: models/)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say how a table is written."""
    parser.add_argument(
        "--separator",
        metavar="CHARACTER",
        type=separator,
        help="what separates the cells of the CSV; tab for a tab (default: as the header looks)",
    )
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        type=encoding,
        help="of the CSV, such as utf-8 or cp1252 (default: as it looks)",
    )


def own_of(options: argparse.Namespace) -> Own:
    """What the options say of the job."""
    given = {f"{name}_column": getattr(options, f"{name}_column") for name in COLUMNS}
    given |= {"separator": options.separator, "encoding": options.encoding}
    return Own(
        corpus=options.corpus,
        language=options.language,
        name=options.name,
        evaluation=options.evaluation,
        settings=_merged(options.settings)
        | {key: value for key, value in given.items() if value is not None},
    )


def setting(text: str) -> tuple[str, object]:
    """One KEY=VALUE. Raises ArgumentTypeError."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no KEY=VALUE")
    return key.strip(), read_value(value)


def separator(text: str) -> str:
    """A separator. Raises ArgumentTypeError."""
    return _checked(text, separator=text)


def encoding(text: str) -> str:
    """An encoding. Raises ArgumentTypeError."""
    return _checked(text, encoding=text)


def _checked(text: str, separator: str | None = None, encoding: str | None = None) -> str:
    try:
        check_told(separator, encoding)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _merged(settings: Sequence[tuple[str, object]]) -> dict[str, object]:
    """The last value of each key."""
    return dict(settings)
