"""Doing a job: gather the material, let the family train, evaluate, put the results in place."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.training.archive import files_below, write_archive
from mme.training.material import gathered
from mme.training.placing import Placing, check_writable, placing
from mme.training.plan import TrainingError
from mme.training.progress import TimedProgress
from mme.training.report import Artifact, Digest, Outcome, as_json, make_report, warnings_noted
from mme.training.report_page import as_page
from mme.training.sample import write_sample
from models.errors import CorpusError, ServingError
from models.evaluation.asking import evaluate
from models.registry import family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mme.training.material import Gathered
    from mme.training.plan import Job
    from models.evaluation.results import Evaluated
    from models.serving import Lessons, Progress

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results go."""

    models: Path
    reports: Path
    is_packed: bool = True
    """Whether the artifact becomes `<Family>.tar.gz`, or stays files at the folder's root."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome of one job."""

    family: str
    artifact: Path
    artifact_bytes: int
    report: Path
    reports: Sequence[Path]
    """All of them."""
    duration_s: float
    evaluation: Mapping[str, Evaluated] | None = None


def run_job(job: Job, where: Destination, progress: Progress) -> Trained:
    """Train one family; its artifact and reports appear together.

    Raises TrainingError; then what was there before is left as it was.
    """
    began_s = time.monotonic()
    for folder in (where.models, where.reports):
        check_writable(folder)
    timed = TimedProgress(progress)
    try:
        with (
            warnings_noted() as warnings,
            gathered(job, timed) as given,
            tempfile.TemporaryDirectory(prefix="mme-train-") as scratch,
        ):
            folder = Path(scratch, "artifact")
            folder.mkdir()
            lessons = _train(job, given, folder, timed)
            if job.has_sample:
                write_sample(job.family, folder)
            measured = _evaluation(job, given, folder, Path(scratch, "loaded"), timed)
            with placing() as files:
                artifact = _place(files, job, folder, where, timed)
                reports = [
                    where.reports / f"{job.target}-report{end}" for end in (".json", ".html")
                ]
                for name, content in lessons.reports.items():
                    if Path(name).name != name:
                        raise TrainingError(f"{job.family}: {name!r} is no name of a report")
                    reports.append(where.reports / f"{job.target}-{name}")
                    files.write(reports[-1], content)
                took_s = time.monotonic() - began_s
                outcome = Outcome(
                    job, given.material, lessons, artifact, measured, timed.phases, warnings, took_s
                )
                report = make_report(outcome)
                files.write(reports[0], as_json(report))
                files.write(reports[1], as_page(report))
    except (CorpusError, ServingError) as error:
        raise TrainingError(f"{job.family}: {error}") from error
    except MemoryError as error:
        raise TrainingError(f"{job.family}: there is not enough memory to train on this") from error
    return Trained(
        job.family, artifact.place, artifact.size_bytes, reports[0], reports, took_s, measured
    )


def _train(job: Job, given: Gathered, folder: Path, progress: Progress) -> Lessons:
    try:
        return family(job.family).train(given.material, folder, progress)
    except OSError as error:
        free = shutil.disk_usage(folder).free
        raise TrainingError(
            f"{job.family}: cannot write {error.filename or folder}: {error.strerror}"
            f" ({free} bytes are free)"
        ) from error


def _evaluation(
    job: Job, given: Gathered, folder: Path, scratch: Path, progress: Progress
) -> dict[str, Evaluated] | None:
    """What the trained model answers; None without evaluation sets, nothing if it fails."""
    if given.evaluation is None:
        return None
    try:
        other = next((each for each in given.material.files.values() if each.is_dir()), None)
        found = evaluate(job.family, folder, scratch, given.evaluation, progress, other=other)
    except (ServingError, OSError) as error:  # the model is there all the same
        log.warning("%s: evaluation failed: %s", job.family, error)
        return {}
    if not found:
        log.warning("%s: no evaluation set is of a kind this family answers", job.family)
    return found


def _place(
    files: Placing, job: Job, folder: Path, where: Destination, progress: Progress
) -> Artifact:
    """Put the artifact in place, packed or not."""
    names = files_below(folder)
    contents = [_digest(folder / file, file.as_posix()) for file in names]
    with progress(len(names), "file", f"{job.family}: writing the artifact") as bar:
        if where.is_packed:
            place = where.models / f"{job.target}.tar.gz"
            write_archive(folder, files.make(place))
            bar.update(len(names))
            return Artifact(place, contents, _digest(files.make(place), place.name))
        for file in names:
            shutil.copyfile(folder / file, files.make(where.models / file))
            bar.update(1)
    return Artifact(where.models, contents, None)


def _digest(path: Path, name: str) -> Digest:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return Digest(name, path.stat().st_size, digest.hexdigest())
