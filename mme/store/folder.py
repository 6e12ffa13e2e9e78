"""A store in a folder: targets are files below it, versions what the file system says of them.

A target may be a folder as well that holds an artifact unpacked: `unpacked.py`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, cast

from mme.core.errors import ArtifactRejected, InvalidRequest, StoreUnavailable, TargetNotFound
from mme.core.names import check_target
from mme.store.base import ARCHIVE_ENDING, ArtifactRef, Changed, TargetDenied
from mme.store.folder_writing import write_whole, written_alone
from mme.store.unpacked import MOST_FILES, Unpacked, UnpackedContent, is_unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NO_FILE = (errno.ENOENT, errno.ENOTDIR)
DENIED = (errno.EACCES, errno.EPERM)
NO_NAME = (errno.EILSEQ, errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)
"""What is wrong with a name, or a socket; any other number is a fault of the file system."""


class FolderStore:
    """Artifacts below `root`. Links are followed, but never out of the folder."""

    def __init__(self, root: Path, *, most_files: int = MOST_FILES) -> None:
        """`most_files`: what an artifact that lies here unpacked may have, folders included."""
        if not root.is_dir():
            raise ValueError(f"the model store {root} is not a folder")
        self._root = root.resolve()
        self._most_files = most_files
        self.uri = str(self._root)

    def check(self) -> None:
        """See Store."""
        try:
            with os.scandir(self._root) as entries:
                next(entries, None)
        except OSError as error:
            raise StoreUnavailable(
                self.uri, f"the folder cannot be read: {_reason(error)}"
            ) from error

    def find(self, target: str) -> ArtifactRef:
        """See Store."""
        check_target(target)
        path = self._root / target
        with self._faults_named(target, path):
            found = self._opened(target, path)
            if isinstance(found, Unpacked):
                return _unpacked_ref(target, path, found)
            with found as file:
                return _ref(target, path, file)

    @contextlib.contextmanager
    def open(self, ref: ArtifactRef) -> Iterator[BinaryIO]:
        """See Store."""
        path = self._root / ref.target
        with contextlib.ExitStack() as stack:
            content: _Content | UnpackedContent
            with self._faults_named(ref.target, path):
                found = self._opened(ref.target, path)
                if isinstance(found, Unpacked):
                    now = _unpacked_ref(ref.target, path, found)
                    content = UnpackedContent(found)
                    stack.callback(content.close)
                else:
                    now = _ref(ref.target, path, stack.enter_context(found))
                    content = _Content(found, ref.uri)
            if now.version != ref.version:
                raise StoreUnavailable(ref.uri, "it has changed meanwhile; ask again")
            yield cast("BinaryIO", content)

    def list(self, prefix: str = "", ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store. Among archives are folders that hold an artifact unpacked."""
        self.check()
        for target in sorted(self._targets(ending)):
            if target.startswith(prefix):
                # What cannot be served is not listed either.
                with contextlib.suppress(TargetNotFound, ArtifactRejected, InvalidRequest):
                    yield self.find(target)

    def list_after(self, after: str, prefix: str, limit: int) -> Sequence[ArtifactRef]:
        """See Store."""
        self.check()
        refs: list[ArtifactRef] = []
        for target in sorted(self._targets(ARCHIVE_ENDING)):
            if len(refs) >= limit:
                break
            if target > after and target.startswith(prefix):
                with contextlib.suppress(TargetNotFound, ArtifactRejected, InvalidRequest):
                    refs.append(self.find(target))
        return refs

    def list_folder(self, folder: str, ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store."""
        self.check()
        if folder:
            check_target(folder.rstrip("/"))
        try:
            paths = [path for path in (self._root / folder).iterdir() if path.name.endswith(ending)]
        except OSError as error:
            if error.errno in (*NO_FILE, *NO_NAME):
                return
            raise StoreUnavailable(self.uri, _reason(error)) from error
        for path in paths:
            with contextlib.suppress(TargetNotFound, InvalidRequest):
                yield self.find(folder + path.name)

    def replace(self, target: str, content: bytes, version: str | None) -> str:
        """See Store."""
        check_target(target)
        path = self._root / target
        try:
            if not path.parent.resolve().is_relative_to(self._root):
                raise StoreUnavailable(str(path), "it leads out of the store")
            with written_alone(path):
                if self._version_of(target) != version:
                    raise Changed(str(path))
                write_whole(path, content)
                return self.find(target).version
        except OSError as error:
            raise StoreUnavailable(str(path), f"cannot be written: {_reason(error)}") from error

    def _version_of(self, target: str) -> str | None:
        try:
            return self.find(target).version
        except TargetDenied:
            raise
        except TargetNotFound:
            return None

    def _targets(self, ending: str) -> Iterator[str]:
        """What may be a target, in no order."""
        is_for_artifacts = ending == ARCHIVE_ENDING
        for place, folders, files in os.walk(self._root):
            folder = self._root / place
            names = [name for name in files if name.endswith(ending)]
            if is_for_artifacts:
                unpacked = {name for name in folders if _is_unpacked(folder / name)}
                names += unpacked
                folders[:] = [name for name in folders if name not in unpacked]
            for name in names:
                yield (folder / name).relative_to(self._root).as_posix()

    def _opened(self, target: str, path: Path) -> BinaryIO | Unpacked:
        """The file of a target, open, or the folder that holds one. Raises OSError as well."""
        resolved = path.resolve(strict=True)
        if not resolved.is_relative_to(self._root):
            raise TargetNotFound(target, str(path), "which leads out of the store")
        try:
            return _opened(resolved)
        except IsADirectoryError:
            # The name that counts is the target's, not that of what it links to.
            if not _is_unpacked(path):
                raise
            return Unpacked(path, self._most_files)

    @contextlib.contextmanager
    def _faults_named(self, target: str, path: Path) -> Iterator[None]:
        try:
            yield
        except IsADirectoryError:
            raise TargetNotFound(
                target, str(path), "which is not a file, nor a folder with an artifact in it"
            ) from None
        except OSError as error:
            if error.errno in (*NO_FILE, *DENIED):
                self.check()  # the fault may be the whole store's
            if error.errno in NO_FILE:
                raise TargetNotFound(target, str(path)) from None
            if error.errno in DENIED:
                raise TargetDenied(target, str(path), "access is denied") from None
            if error.errno in NO_NAME:
                raise TargetNotFound(target, str(path), _reason(error)) from None
            raise StoreUnavailable(str(path), _reason(error)) from error
        except (RuntimeError, ValueError):  # a loop of links, NUL
            raise TargetNotFound(target, str(path), "which cannot be followed") from None


def _is_unpacked(folder: Path) -> bool:
    try:
        return is_unpacked(folder)
    except NotADirectoryError:
        return False


def _unpacked_ref(target: str, path: Path, found: Unpacked) -> ArtifactRef:
    return ArtifactRef(target, found.version, found.size_bytes, str(path))


def _ref(target: str, path: Path, file: BinaryIO) -> ArtifactRef:
    try:
        status = os.fstat(file.fileno())
    except OSError as error:
        raise StoreUnavailable(str(path), _reason(error)) from error
    identity = f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
    return ArtifactRef(
        target=target,
        version=hashlib.sha256(identity.encode()).hexdigest()[:32],
        size_bytes=status.st_size,
        uri=str(path),
        modified_at=status.st_mtime,
    )


def _reason(error: OSError) -> str:
    """What is wrong, without paths of this machine."""
    return error.strerror or type(error).__name__


def _opened(path: Path) -> BinaryIO:
    """Open a plain file; IsADirectoryError if it is anything else."""
    # Not to hang on a FIFO that somebody put there.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    if not is_file:
        os.close(descriptor)
        raise IsADirectoryError(errno.EISDIR, "no file", str(path))
    return os.fdopen(descriptor, "rb")


class _Content:
    """A file's content; an error of the disk or the network below it is the store's fault."""

    def __init__(self, file: BinaryIO, uri: str) -> None:
        self._file = file
        self._uri = uri

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        try:
            return self._file.read(size)
        except OSError as error:
            raise StoreUnavailable(self._uri, _reason(error)) from error
