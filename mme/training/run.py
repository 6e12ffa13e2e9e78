"""Doing a training plan: fetch the corpus, let the family train, pack the result."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.store import open_store
from mme.training.archive import write_archive
from mme.training.plan import Job, TrainingError
from models.errors import CorpusError, ServingError
from models.registry import family
from models.serving import Material

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.serving import Progress


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome of one job."""

    family: str
    archive: Path
    archive_bytes: int
    duration_s: float


def run_job(job: Job, output: Path, base: Path, progress: Progress) -> Trained:
    """Train one family and write `output/<Family>.tar.gz`; paths of inputs are below `base`.

    Raises TrainingError; then an earlier archive is left as it was.
    """
    began_s = time.monotonic()
    with _corpus(job, base) as corpus, tempfile.TemporaryDirectory(prefix="mme-train-") as scratch:
        folder = Path(scratch)
        try:
            family(job.family).train(Material(corpus, job.params), folder, progress)
        except (CorpusError, ServingError) as error:
            raise TrainingError(f"{job.family}: {error}") from error
        archive = output / f"{job.family}.tar.gz"
        size = write_archive(folder, archive)
    return Trained(job.family, archive, size, time.monotonic() - began_s)


@contextlib.contextmanager
def _corpus(job: Job, base: Path) -> Iterator[Path]:
    """The CSV of a job as a local file, downloaded if it is in S3."""
    if not job.corpus_uri.startswith("s3://"):
        place = base / job.corpus_uri.removeprefix("file://")
        corpus = place if place.suffix == ".csv" else place / job.corpus_name
        if not corpus.is_file():
            raise TrainingError(f"{job.family}: there is no corpus at {corpus}")
        yield corpus
        return
    folder, name = job.corpus_uri, job.corpus_name
    if folder.endswith(".csv"):
        folder, _, name = folder.rpartition("/")
    with tempfile.TemporaryDirectory(prefix="mme-corpus-") as scratch:
        corpus = Path(scratch, Path(name).name)
        try:
            store = open_store(folder)
            with store.open(store.find(name)) as remote, corpus.open("wb") as local:
                shutil.copyfileobj(remote, local)
        except (EndpointError, ValueError) as error:
            raise TrainingError(f"{job.family}: {error}") from error
        yield corpus
