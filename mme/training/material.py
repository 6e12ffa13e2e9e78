"""Gathering what a job is trained on: corpus, the files its parameters name, evaluation sets.

Each is a path, `file://...` or `s3://...`; what is in S3 is downloaded for as long as the job
lasts. Every fault is a TrainingError that names the parameter and the places tried.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.training.fetching import TABLE_ENDINGS, Fetching
from mme.training.language import guess_language
from mme.training.plan import TrainingError
from mme.training.unpacking import ENDING, unpacked
from models.evaluation.single import read_any
from models.params import Params
from models.serving import Material
from models.tables import told_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mme.training.plan import Job
    from models.evaluation.sets import EvaluationSets
    from models.serving import Progress

log = logging.getLogger(__name__)

URI_ENDING = "_uri"
SHOWN_FILES = 10


def the_table(folder: Path, what: str) -> Path:
    """The only table in a folder. Raises TrainingError."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLE_ENDINGS)
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:SHOWN_FILES]) or "none"
        raise TrainingError(f"{what} has {names}: it must hold one CSV, or name it")
    return found[0]


@dataclass(frozen=True, slots=True)
class Gathered:
    """All of it, as local files."""

    material: Material
    evaluation: EvaluationSets | None


@contextlib.contextmanager
def gathered(job: Job, progress: Progress) -> Iterator[Gathered]:
    """Fetch everything for the time of the block. Raises TrainingError, and CorpusError of sets."""
    with tempfile.TemporaryDirectory(prefix="mme-corpus-") as scratch:
        fetch = Fetching(f"{job.family}: ", job.bases, Path(scratch), progress)
        files = {}
        for key, value in job.params.items():
            if key.endswith(URI_ENDING) and value not in (None, ""):
                if not isinstance(value, str):
                    raise TrainingError(f"{job.family}: {key} is {value!r}, not a path or s3://...")
                files[key] = _unpacked(key, fetch.file(key, value), Path(scratch, "unpacked", key))
        sets = None
        if job.evaluation_uri:
            # Read now: a fault in it should not come up after an hour of training.
            sets = read_any(fetch.either("evaluation_uri", job.evaluation_uri))
        corpus = _corpus(job, fetch)
        yield Gathered(Material(corpus, _with_language(job, corpus), files), sets)


def _unpacked(key: str, file: Path, folder: Path) -> Path:
    """The file; of an archive a folder with what is in it. Raises TrainingError."""
    if not file.name.endswith(ENDING):
        return file
    try:
        return unpacked(file, folder, file.name)
    except EndpointError as error:
        raise TrainingError(f"{key}: {error}") from error


def _corpus(job: Job, fetch: Fetching) -> Path:
    """The CSV to train on."""
    uri, name = job.corpus_uri, job.corpus_name
    if name and not uri.endswith(".csv"):
        return fetch.file("corpus", f"{uri.rstrip('/')}/{name}")
    place = fetch.either("corpus", uri, TABLE_ENDINGS)
    return the_table(place, f"{job.family}: corpus: {uri}") if place.is_dir() else place


def _with_language(job: Job, corpus: Path) -> Mapping[str, object]:
    """The parameters, with a language if they have none and there is one to take."""
    if "language" in job.params or job.default_language is None:
        return job.params
    guessed = guess_language(corpus, told_by(Params("parameters", job.params)))
    language = guessed or job.default_language
    log.warning("%s: language %s, %s; --language tells another one", job.family, language,
                "by its stop words" if guessed else "as shipped")  # fmt: skip
    return {"language": language, **job.params}
