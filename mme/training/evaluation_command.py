"""`mme evaluate`: its options, what it prints, its exit codes."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.contrib.logging import logging_redirect_tqdm

from mme.core.log import configure_logging
from mme.training.evaluating import Question, evaluate_target
from mme.training.options import add_table_arguments
from mme.training.plan import TrainingError
from mme.training.progress import progress_for
from mme.training.showing import measures_text, questions_text
from models.tables import check_told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.evaluation.results import Evaluated

EXIT_FAILED = 1
ENDPOINT = "MME_ENDPOINT"
DEFAULT_MISSES = 10
DESCRIPTION = "Measure a model on a labelled set, and show what it missed."
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="NAME.tar.gz or an unpacked artifact, here or s3://...; or a model on the endpoint",
    )
    parser.add_argument(
        "--set", required=True, metavar="SET", dest="evaluation", help="what to measure it on"
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help=f"ask the model TARGET of a running endpoint; {ENDPOINT} is asked where TARGET is no"
        " file here",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--misses",
        type=int,
        default=DEFAULT_MISSES,
        metavar="N",
        help=f"show so many questions that were not answered right (default: {DEFAULT_MISSES})",
    )
    shown.add_argument("--all", action="store_true", help="show all questions, the worst first")
    shown.add_argument("--json", action="store_true", help="everything as one JSON object")
    add_table_arguments(parser)
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run_command(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> int:
    """Evaluate and print; returns the exit code."""
    configure_logging("WARNING" if options.quiet else "INFO")
    logging.getLogger("gensim").setLevel(logging.WARNING)
    question = Question(
        options.target,
        options.evaluation,
        options.endpoint or _endpoint(options.target, environ),
        check_told(options.separator, options.encoding),
    )
    is_terminal = sys.stderr.isatty()
    try:
        with logging_redirect_tqdm() if is_terminal else contextlib.nullcontext():
            found = evaluate_target(question, progress_for(is_quiet=options.quiet))
    except TrainingError as error:
        sys.stderr.write(f"mme evaluate: {error}\n")
        return EXIT_FAILED
    sys.stdout.write(_as_json(question, found) if options.json else _as_text(options, found))
    sys.stdout.flush()
    return 0


def _endpoint(target: str, environ: Mapping[str, str]) -> str | None:
    """The endpoint that the environment names, unless the target is an artifact by itself."""
    if "://" in target or Path(target).expanduser().exists():
        return None
    return environ.get(ENDPOINT) or None


def _as_text(options: argparse.Namespace, found: Mapping[str, Evaluated]) -> str:
    parts = [measures_text(found)]
    for name, each in found.items():
        shown = each.worst_first() if options.all else each.misses(max(options.misses, 0))
        title = f"\n{name}, {'the worst first' if options.all else 'what was missed'}:"
        if shown:
            parts.append(questions_text(title, shown))
        elif options.misses:
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
