"""The training command, shared by `mme train` and `python -m mme.training`.

Inside a SageMaker training job, and without options that say otherwise, it does that job. Its
options are in `options`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.contrib.logging import logging_redirect_tqdm

from mme.core.log import configure_logging
from mme.core.settings import OUTPUT, PROJECT_ROOT
from mme.training import options
from mme.training.container import container_job, find_places, is_first_host
from mme.training.delivery import opened_output
from mme.training.interruption import Interrupted, interruptible
from mme.training.options import EXAMPLES, Wanted
from mme.training.own_data import Own, adjusted, own_job
from mme.training.plan import TrainingError, make_plan
from mme.training.progress import progress_for
from mme.training.run import Destination, run_job
from mme.training.showing import measures_text
from models.registry import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from mme.training.container import Places
    from mme.training.plan import Job
    from mme.training.run import Trained
    from models.serving import Progress

log = logging.getLogger(__name__)

__all__ = ["EXAMPLES", "train"]

EXIT_FAILED = 1
MODELS_DIR = PROJECT_ROOT / "models"


def train(
    families: options.Families = None,
    *,
    corpus: options.Corpus = None,
    language: options.Language = None,
    name: options.Name = None,
    evaluation: options.Evaluation = None,
    output: options.Output = None,
    settings: options.Set = None,
    text_column: options.TextColumn = None,
    title_column: options.TitleColumn = None,
    id_column: options.IdColumn = None,
    separator: options.Separator = None,
    encoding: options.Encoding = None,
    sample_request: options.Sample = False,
    models: options.Models = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> int:
    """Make artifacts from corpora: a CSV with a header line goes in, NAME.tar.gz and a report out.

    Without --corpus: the models switched on in models/models_to_be_trained.json, each on the corpus
    in its folder of models/.
    """
    options.check_table(separator, encoding)
    given = {
        "text_column": text_column,
        "title_column": title_column,
        "id_column": id_column,
        "separator": separator,
        "encoding": encoding,
    }
    own = Own(
        corpus=corpus,
        language=language,
        name=name,
        evaluation=evaluation,
        settings=options.merged(settings or ())
        | {key: value for key, value in given.items() if value is not None},
    )
    wanted = Wanted(tuple(families or ()), own, output, models, sample_request, quiet, as_json)
    return run_training(wanted, os.environ)


def run_training(wanted: Wanted, environ: Mapping[str, str]) -> int:
    """Train what is wanted, or what the platform asks for; returns the exit code."""
    configure_logging("WARNING" if wanted.is_quiet else "INFO")
    # These tell about themselves at INFO, in hundreds of lines.
    for chatty in ("gensim", "smart_open"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if named := environ.get("TMPDIR"):  # it may lie on a volume that is still empty
        with contextlib.suppress(OSError):
            Path(named).mkdir(parents=True, exist_ok=True)
    is_plain = not (wanted.families or wanted.models or wanted.output or wanted.own.is_any)
    places = find_places(environ) if is_plain else None
    try:
        with interruptible() as interruption, _lines_above_bars():
            progress = interruption.watching(progress_for(is_quiet=wanted.is_quiet))
            if places is not None:
                _do_container_job(places, environ, progress)
            else:
                _do_jobs(wanted, progress)
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


def _do_jobs(wanted: Wanted, progress: Progress) -> None:
    jobs = _jobs(wanted)
    made: list[dict[str, object]] = []
    with opened_output(wanted.output or str(OUTPUT)) as output:
        for job in jobs:
            done = run_job(job, Destination(output.folder, output.folder), progress)
            places = output.deliver(done, progress)
            made.append(_as_json(done, *places))
            if not wanted.as_json:
                _tell(done, *places)
    if wanted.as_json:
        sys.stdout.write(json.dumps(made, indent=2, ensure_ascii=False) + "\n")
    elif not jobs:
        sys.stdout.write("no model is switched on in models_to_be_trained.json\n")


def _jobs(wanted: Wanted) -> list[Job]:
    own, models_dir = wanted.own, wanted.models or MODELS_DIR
    if own.corpus is not None:
        if not wanted.families:
            raise TrainingError(f"which family is to be trained? {', '.join(FAMILIES)}")
        jobs = [own_job(family, own, models_dir) for family in wanted.families]
    else:
        jobs = make_plan(models_dir, list(wanted.families))
        jobs = [adjusted(job, own) for job in jobs] if own.is_any else jobs
    if own.name is not None and len(jobs) > 1:
        raise TrainingError("--name is for one family; name that")
    return [replace(job, has_sample=wanted.has_sample) for job in jobs]


def _do_container_job(places: Places, environ: Mapping[str, str], progress: Progress) -> None:
    if is_first_host(places, environ):
        job = container_job(places, environ, MODELS_DIR)
        done = run_job(job, places.destination, progress)
        _tell(done, str(done.artifact), str(done.report))
    else:
        log.info("another host trains; there is nothing to do on this one")
    places.succeeded()


def _tell(done: Trained, artifact: str, report: str) -> None:
    sys.stdout.write(
        f"{done.family}: {artifact} ({done.artifact_bytes} bytes, {done.duration_s:.1f} s),"
        f" report {report}\n{measures_text(done.evaluation or {})}"
    )
    sys.stdout.flush()


def _as_json(done: Trained, artifact: str, report: str) -> dict[str, object]:
    evaluation = done.evaluation or {}
    return {
        "family": done.family,
        "artifact": artifact,
        "artifact_bytes": done.artifact_bytes,
        "duration_s": round(done.duration_s, 3),
        "report": report,
        "measures": {name: dict(each.measures) for name, each in evaluation.items()},
    }


def _say(text: str) -> None:
    sys.stderr.write(f"mme train: {text}\n")
    sys.stderr.flush()
