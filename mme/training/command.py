"""The training command, shared by `mme train` and `python -m mme.training`.

Inside a SageMaker training job, and without options that say otherwise, it does that job.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.contrib.logging import logging_redirect_tqdm

from mme.core.log import configure_logging
from mme.core.settings import PROJECT_ROOT
from mme.training.container import container_job, find_places, is_first_host
from mme.training.interruption import Interrupted, interruptible
from mme.training.plan import TrainingError, make_plan
from mme.training.progress import progress_for
from mme.training.run import Destination, run_job

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from mme.training.container import Places
    from mme.training.run import Trained
    from models.serving import Progress

log = logging.getLogger(__name__)

EXIT_FAILED = 1
MODELS_DIR, OUTPUT_DIR = PROJECT_ROOT / "models", PROJECT_ROOT / "artifacts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="train just these")
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="folder with models_to_be_trained.json and a folder per family (default: models/)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where FAMILY.tar.gz and its reports go (default: artifacts/)",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run_command(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> int:
    """Train what `options` or the platform ask for; returns the exit code."""
    configure_logging("WARNING" if options.quiet else "INFO")
    # These tell about themselves at INFO, in hundreds of lines.
    for chatty in ("gensim", "smart_open"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if named := environ.get("TMPDIR"):  # it may lie on a volume that is still empty
        with contextlib.suppress(OSError):
            Path(named).mkdir(parents=True, exist_ok=True)
    is_plain = not (options.families or options.models or options.output)
    places = find_places(environ) if is_plain else None
    try:
        with interruptible() as interruption, _lines_above_bars():
            progress = interruption.watching(progress_for(is_quiet=options.quiet))
            if places is not None:
                _do_container_job(places, environ, progress)
            else:
                _do_plan(options, progress)
    except TrainingError as error:
        _say(str(error))
        if places is not None:
            places.failed(str(error))
        return EXIT_FAILED
    except Interrupted as stopped:
        _say(f"stopped by {stopped}; what was not finished is gone")
        return stopped.exit_code
    except Exception as error:
        if places is not None:
            places.failed(f"{type(error).__name__}: {error}")
        raise
    return 0


def _lines_above_bars() -> AbstractContextManager[None]:
    """Where there are bars: log lines are not to be written into them."""
    return logging_redirect_tqdm() if sys.stderr.isatty() else contextlib.nullcontext()


def _do_plan(options: argparse.Namespace, progress: Progress) -> None:
    output = options.output or OUTPUT_DIR
    plan = make_plan(options.models or MODELS_DIR, options.families)
    for job in plan:
        _tell(run_job(job, Destination(output, output), progress))
    if not plan:
        sys.stdout.write("no model is switched on in models_to_be_trained.json\n")


def _do_container_job(places: Places, environ: Mapping[str, str], progress: Progress) -> None:
    if is_first_host(places, environ):
        job = container_job(places, environ, MODELS_DIR)
        _tell(run_job(job, places.destination, progress))
    else:
        log.info("another host trains; there is nothing to do on this one")
    places.succeeded()


def _tell(done: Trained) -> None:
    sys.stdout.write(
        f"{done.family}: {done.artifact} ({done.artifact_bytes} bytes, {done.duration_s:.1f} s),"
        f" report {done.report}\n"
    )
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"mme train: {text}\n")
    sys.stderr.flush()
