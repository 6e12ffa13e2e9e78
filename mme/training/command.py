"""The training command, shared by `mme train` and `python -m mme.training`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from mme.core.settings import PROJECT_ROOT
from mme.training.plan import TrainingError, make_plan
from mme.training.run import run_job
from models.serving import no_progress

if TYPE_CHECKING:
    import argparse
    from contextlib import AbstractContextManager

    from models.serving import ProgressBar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="train just these")
    parser.add_argument(
        "--models",
        type=Path,
        default=PROJECT_ROOT / "models",
        metavar="DIR",
        help="folder with models_to_be_trained.json and a folder per family (default: models/)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=PROJECT_ROOT / "artifacts",
        metavar="DIR",
        help="where FAMILY.tar.gz goes (default: artifacts/)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run_command(options: argparse.Namespace) -> int:
    """Train what `options` ask for; returns the exit code."""
    progress = no_progress if options.quiet else _bar
    try:
        plan = make_plan(options.models, options.families)
        for job in plan:
            done = run_job(job, options.output, PROJECT_ROOT, progress)
            sys.stdout.write(
                f"{done.family}: {done.archive}"
                f" ({done.archive_bytes} bytes, {done.duration_s:.1f} s)\n"
            )
            sys.stdout.flush()
    except TrainingError as error:
        sys.stderr.write(f"mme train: {error}\n")
        return 1
    if not plan:
        sys.stdout.write("no model is switched on in models_to_be_trained.json\n")
    return 0


def _bar(total: int, unit: str, title: str) -> AbstractContextManager[ProgressBar]:
    return tqdm(total=total, unit=unit, desc=title)
