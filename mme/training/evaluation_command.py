"""`mme evaluate`: its options, what it prints, its exit codes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm.contrib.logging import logging_redirect_tqdm

from mme.core.command_options import argument, option
from mme.core.log import configure_logging
from mme.training import options
from mme.training.evaluating import Question, evaluate_target
from mme.training.plan import TrainingError
from mme.training.progress import progress_for
from mme.training.showing import measures_text, questions_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.evaluation.results import Evaluated

EXIT_FAILED = 1
ENDPOINT = "MME_ENDPOINT"
DEFAULT_MISSES = 10
EXAMPLES = """\
examples:
  mme evaluate artifacts/Search.tar.gz --set questions.csv
  mme evaluate s3://bucket/models/en/Search.tar.gz --set questions.csv --json > found.json
  mme evaluate --endpoint http://127.0.0.1:8080 en/Search.tar.gz --set questions.csv --all

a set is one file, by its columns (or the keys of JSON lines):
  text,doc_id[,relevance]  for Search, and DocSim with documents; a row for each relevant document,
                           an empty doc_id for a text that no document is about
  text1,text2,label        for DocSim: 1 for a pair that belongs together, else 0
  text,keyphrases          for TopicalPageRank; separated by ;
or a folder of such sets as docs/training.md describes."""


def evaluate(
    target: Annotated[
        str,
        argument(
            "TARGET", "NAME.tar.gz or an unpacked artifact, here or s3://...; or a model there"
        ),
    ],
    *,
    evaluation: Annotated[str, option("--set", "SET", "what to measure it on")],
    endpoint: Annotated[
        str | None,
        option(
            "--endpoint",
            "URL",
            f"ask the model TARGET of a running endpoint; {ENDPOINT} is asked where TARGET is"
            " no file here",
        ),
    ] = None,
    token: Annotated[
        str | None,
        option("--token", "TOKEN", "bearer token, if the endpoint wants one", envvar="MME_TOKEN"),
    ] = None,
    misses: Annotated[
        int | None,
        option(
            "--misses",
            "N",
            f"show so many questions that were not answered right (default: {DEFAULT_MISSES})",
        ),
    ] = None,
    has_all: Annotated[
        bool, typer.Option("--all", help="show all questions, the worst first")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="everything as one JSON object")] = False,
    separator: options.Separator = None,
    encoding: options.Encoding = None,
    quiet: options.Quiet = False,
) -> int:
    """Measure a model on a labelled set, and show what it missed."""
    if (misses is not None) + has_all + as_json > 1:
        raise typer.BadParameter("--misses, --all and --json exclude each other")
    told = options.check_table(separator, encoding)
    configure_logging("WARNING" if quiet else "INFO")
    logging.getLogger("gensim").setLevel(logging.WARNING)
    question = Question(
        target, evaluation, endpoint or _endpoint(target, os.environ), told, token or ""
    )
    is_terminal = sys.stderr.isatty()
    try:
        with logging_redirect_tqdm() if is_terminal else contextlib.nullcontext():
            found = evaluate_target(question, progress_for(is_quiet=quiet))
    except TrainingError as error:
        sys.stderr.write(f"mme evaluate: {error}\n")
        return EXIT_FAILED
    shown = DEFAULT_MISSES if misses is None else max(misses, 0)
    sys.stdout.write(
        _as_json(question, found) if as_json else _as_text(found, shown, has_all=has_all)
    )
    sys.stdout.flush()
    return 0


def _endpoint(target: str, environ: Mapping[str, str]) -> str | None:
    """The endpoint that the environment names, unless the target is an artifact by itself."""
    if "://" in target or Path(target).expanduser().exists():
        return None
    return environ.get(ENDPOINT) or None


def _as_text(found: Mapping[str, Evaluated], misses: int, *, has_all: bool) -> str:
    parts = [measures_text(found)]
    for name, each in found.items():
        shown = each.worst_first() if has_all else each.misses(misses)
        title = f"\n{name}, {'the worst first' if has_all else 'what was missed'}:"
        if shown:
            parts.append(questions_text(title, shown))
        elif misses:
            parts.append(f"\n{name}: nothing was missed\n")
    return "".join(parts)


def _as_json(question: Question, found: Mapping[str, Evaluated]) -> str:
    content = {
        "target": question.target,
        "endpoint": question.endpoint,
        "set": question.evaluation,
        "results": {
            name: {
                "measures": dict(each.measures),
                "questions": [one.as_json() for one in each.answered],
            }
            for name, each in found.items()
        },
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"
