"""Where inputs are and outputs go, seen by URI: S3, or folders of this machine.

All of it blocks and may be called from several threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from mme.core.errors import EndpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

PARTIAL = ".partial-"
"""What begins the name of a file that is being written."""


class PlaceUnavailable(EndpointError):
    """A place that cannot be read, or written."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One version of an object."""

    uri: str
    version: str
    """Changes whenever the content does."""
    size_bytes: int


class Places(Protocol):
    """Objects by URI; every method raises PlaceUnavailable."""

    def list(self, uri: str) -> Iterator[ObjectRef]:
        """Those whose URI begins with `uri`, in the order of their URIs."""

    def find(self, uri: str) -> ObjectRef | None:
        """The object of exactly this URI, if there is one."""

    def open(self, ref: ObjectRef) -> AbstractContextManager[BinaryIO]:
        """The bytes of this version; `read` raises too, also if it has changed."""

    def write_file(self, uri: str, path: Path, content_type: str) -> ObjectRef:
        """Put a file's content there, all of it at once, whatever was there before."""


class FolderPlaces:
    """Files, by their paths; a folder's ends in a slash."""

    def list(self, uri: str) -> Iterator[ObjectRef]:
        """See Places."""
        folder = uri if uri.endswith("/") else uri.rpartition("/")[0] + "/"
        for path in self._walk(folder):
            if path.startswith(uri) and (found := self.find(path)) is not None:
                yield found

    def find(self, uri: str) -> ObjectRef | None:
        """See Places."""
        path = Path(uri)
        try:
            if not path.is_file():
                return None
            status = path.stat()
        except OSError as error:
            raise _unavailable(uri, error) from error
        identity = f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
        version = hashlib.sha256(identity.encode()).hexdigest()[:32]
        return ObjectRef(uri, version, status.st_size)

    @contextlib.contextmanager
    def open(self, ref: ObjectRef) -> Iterator[BinaryIO]:
        """See Places."""
        if self.find(ref.uri) != ref:
            raise PlaceUnavailable(f"{ref.uri} has changed meanwhile")
        try:
            with Path(ref.uri).open("rb") as file:
                yield file
        except OSError as error:
            raise _unavailable(ref.uri, error) from error

    def write_file(self, uri: str, path: Path, content_type: str) -> ObjectRef:
        """See Places."""
        del content_type
        target = Path(uri)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=target.parent, prefix=PARTIAL, delete=False
            ) as copy:
                try:
                    with path.open("rb") as content:
                        shutil.copyfileobj(content, copy)
                    copy.flush()
                    os.fsync(copy.fileno())
                    os.fchmod(copy.fileno(), 0o666 & ~_umask())
                    Path(copy.name).replace(target)
                except BaseException:
                    Path(copy.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise _unavailable(uri, error) from error
        found = self.find(uri)
        if found is None:
            raise PlaceUnavailable(f"{uri} has been removed meanwhile")
        return found

    def _walk(self, folder: str) -> Iterator[str]:
        try:
            entries = sorted(
                (entry.path + "/" * entry.is_dir(), entry) for entry in os.scandir(folder)
            )
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unavailable(folder, error) from error
        for path, entry in entries:
            if entry.is_dir():
                if not entry.is_symlink():
                    yield from self._walk(path)
            elif entry.is_file() and not entry.name.startswith(PARTIAL):
                yield path


def _unavailable(uri: str, error: OSError) -> PlaceUnavailable:
    return PlaceUnavailable(f"{uri}: {error.strerror or type(error).__name__}")


def _umask() -> int:
    value = os.umask(0o077)
    os.umask(value)
    return value
