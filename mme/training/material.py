"""Gathering what a job is trained on: corpus, the files its parameters name, evaluation sets.

Each is a path, `file://...` or `s3://...`; what is in S3 is downloaded for as long as the job
lasts. Every fault is a TrainingError that names the parameter and the places tried.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.store import open_store
from mme.training.plan import TrainingError
from models.evaluation.sets import EvaluationSets, read_sets
from models.serving import Material

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.store import ArtifactRef, Store
    from mme.training.plan import Job
    from models.serving import Progress

S3, FILE = "s3://", "file://"
URI_ENDING = "_uri"
BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gathered:
    """All of it, as local files."""

    material: Material
    evaluation: EvaluationSets | None


@contextlib.contextmanager
def gathered(job: Job, progress: Progress) -> Iterator[Gathered]:
    """Fetch everything for the time of the block. Raises TrainingError, and CorpusError of sets."""
    with tempfile.TemporaryDirectory(prefix="mme-corpus-") as scratch:
        fetch = _Fetching(job, Path(scratch), progress)
        files = {}
        for key, value in job.params.items():
            if key.endswith(URI_ENDING) and value not in (None, ""):
                if not isinstance(value, str):
                    raise TrainingError(f"{job.family}: {key} is {value!r}, not a path or s3://...")
                files[key] = fetch.file(key, value)
        sets = None
        if job.evaluation_uri:
            # Read now: a fault in it should not come up after an hour of training.
            sets = read_sets(fetch.folder("evaluation_uri", job.evaluation_uri))
        uri = job.corpus_uri
        if not uri.endswith(".csv"):
            uri = f"{uri.rstrip('/')}/{job.corpus_name}"
        yield Gathered(Material(fetch.file("corpus", uri), job.params, files), sets)


@dataclass(frozen=True, slots=True)
class _Fetching:
    job: Job
    scratch: Path
    progress: Progress

    def file(self, what: str, uri: str) -> Path:
        """The file at `uri`, in a folder of its own if it had to be fetched."""
        if not uri.startswith(S3):
            return self._local(what, uri, is_folder=False)
        folder, _, name = uri.rpartition("/")
        if not name:
            raise TrainingError(f"{self.job.family}: {what}: {uri} names no file")
        with self._named(what):
            store = open_store(folder)
            return self._download(store, store.find(name), self.scratch / what / name)

    def folder(self, what: str, uri: str) -> Path:
        """The folder at `uri`, with all files that lie directly in it."""
        if not uri.startswith(S3):
            return self._local(what, uri, is_folder=True)
        made = self.scratch / what
        made.mkdir()
        with self._named(what):
            store = open_store(uri.rstrip("/"))
            for ref in list(store.list(ending="")):
                if "/" not in ref.target and ref.target:
                    self._download(store, ref, made / ref.target)
        return made

    def _local(self, what: str, uri: str, *, is_folder: bool) -> Path:
        if uri.startswith(FILE):
            uri = urllib.parse.unquote(uri.removeprefix(FILE))
        elif "://" in uri:
            raise TrainingError(
                f"{self.job.family}: {what} is {uri}, neither a path, {FILE}... nor {S3}..."
            )
        tried = [base / Path(uri).expanduser() for base in self.job.bases]
        for place in tried:
            if place.is_dir() if is_folder else place.is_file():
                return place
        kind = "folder" if is_folder else "file"
        places = " or ".join(dict.fromkeys(map(str, tried)))
        raise TrainingError(f"{self.job.family}: {what}: there is no {kind} {places}")

    def _download(self, store: Store, ref: ArtifactRef, place: Path) -> Path:
        place.parent.mkdir(exist_ok=True)
        with (
            store.open(ref) as remote,
            place.open("wb") as local,
            self.progress(ref.size_bytes, "byte", f"{self.job.family}: fetching {ref.uri}") as bar,
        ):
            while block := remote.read(BLOCK_BYTES):
                local.write(block)
                bar.update(len(block))
        return place

    @contextlib.contextmanager
    def _named(self, what: str) -> Iterator[None]:
        try:
            yield
        except (EndpointError, ValueError) as error:
            raise TrainingError(f"{self.job.family}: {what}: {error}") from error
        except OSError as error:
            raise TrainingError(
                f"{self.job.family}: {what} cannot be kept in {self.scratch}: {error.strerror}"
                f" ({shutil.disk_usage(self.scratch).free} bytes are free)"
            ) from error
