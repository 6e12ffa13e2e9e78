"""Fetching what a place names: a path, `file://...` or `s3://...`, as local files.

What is in S3 is downloaded into a scratch folder, which is the caller's. Every fault is a
TrainingError that says what was wanted and the places tried.
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
from models.evaluation.single import JSON_ENDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mme.store import ArtifactRef, Store
    from models.serving import Progress

S3, FILE = "s3://", "file://"
BLOCK_BYTES = 1024 * 1024
TABLE_ENDINGS = (".csv", ".tsv", ".txt")
FILE_ENDINGS = (*TABLE_ENDINGS, *JSON_ENDINGS, ".tar.gz")
"""How the names of files in S3 end; others are taken for folders there."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """Files and folders by their places, downloaded if need be. Raises TrainingError."""

    whose: str
    """What errors begin with: a family and a colon, or nothing."""
    bases: Sequence[Path]
    """Folders a relative path may be meant below, the first that has it."""
    scratch: Path
    progress: Progress

    def either(self, what: str, uri: str, endings: tuple[str, ...] = ("",)) -> Path:
        """The file or folder at `uri`; in S3 it is a file if it ends as one would.

        Of a folder in S3 only the files with one of `endings` are fetched.
        """
        if uri.startswith(S3):
            is_file = uri.lower().endswith(FILE_ENDINGS)
            return self.file(what, uri) if is_file else self.folder(what, uri, endings)
        return self._local(what, uri, is_folder=None)

    def file(self, what: str, uri: str) -> Path:
        """The file at `uri`, in a folder of its own if it had to be fetched."""
        if not uri.startswith(S3):
            return self._local(what, uri, is_folder=False)
        folder, _, name = uri.rpartition("/")
        if not name:
            raise TrainingError(f"{self.whose}{what}: {uri} names no file")
        with self._named(what):
            store = open_store(folder)
            return self._download(store, store.find(name), self.scratch / what / name)

    def folder(self, what: str, uri: str, endings: tuple[str, ...] = ("",)) -> Path:
        """The folder at `uri`, with the files of these endings that lie directly in it."""
        if not uri.startswith(S3):
            return self._local(what, uri, is_folder=True)
        made = self.scratch / what
        made.mkdir()
        with self._named(what):
            store = open_store(uri.rstrip("/"))
            for ref in list(store.list(ending="")):
                is_wanted = ref.target.lower().endswith(endings)
                if is_wanted and "/" not in ref.target and ref.target:
                    self._download(store, ref, made / ref.target)
        return made

    def _local(self, what: str, uri: str, *, is_folder: bool | None) -> Path:
        if uri.startswith(FILE):
            uri = urllib.parse.unquote(uri.removeprefix(FILE))
        elif "://" in uri:
            raise TrainingError(
                f"{self.whose}{what} is {uri}, neither a path, {FILE}... nor {S3}..."
            )
        tried = [base / Path(uri).expanduser() for base in self.bases]
        for place in tried:
            if (place.is_dir() and is_folder is not False) or (place.is_file() and not is_folder):
                return place
        kind = {True: "folder", False: "file", None: "file or folder"}[is_folder]
        places = " or ".join(dict.fromkeys(map(str, tried)))
        raise TrainingError(f"{self.whose}{what}: there is no {kind} {places}")

    def _download(self, store: Store, ref: ArtifactRef, place: Path) -> Path:
        place.parent.mkdir(exist_ok=True)
        with (
            store.open(ref) as remote,
            place.open("wb") as local,
            self.progress(ref.size_bytes, "byte", f"{self.whose}fetching {ref.uri}") as bar,
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
            raise TrainingError(f"{self.whose}{what}: {error}") from error
        except OSError as error:
            raise TrainingError(
                f"{self.whose}{what} cannot be kept in {self.scratch}: {error.strerror}"
                f" ({shutil.disk_usage(self.scratch).free} bytes are free)"
            ) from error


@contextlib.contextmanager
def fetched(what: str, uri: str, progress: Progress) -> Iterator[Path]:
    """The file or folder at `uri` for the time of the block; a path is meant from where we are."""
    with tempfile.TemporaryDirectory(prefix="mme-fetched-") as scratch:
        yield Fetching("", (Path.cwd(),), Path(scratch), progress).either(what, uri)
