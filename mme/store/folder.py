"""A store in a folder: targets are files below it, versions what the file system says of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from mme.core.errors import StoreUnavailable, TargetNotFound
from mme.core.names import check_target
from mme.store.base import ARCHIVE_ENDING, ArtifactRef

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class FolderStore:
    """Artifacts below `root`. Links are followed, but never out of the folder."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise ValueError(f"the model store {root} is not a folder")
        self._root = root.resolve()
        self.uri = str(self._root)

    def find(self, target: str) -> ArtifactRef:
        """See Store."""
        check_target(target)
        path = self._root / target
        with self._open(target, path) as file:
            return self._ref(target, path, os.fstat(file.fileno()))

    @contextlib.contextmanager
    def open(self, ref: ArtifactRef) -> Iterator[BinaryIO]:
        """See Store."""
        path = self._root / ref.target
        with self._open(ref.target, path) as file:
            found = self._ref(ref.target, path, os.fstat(file.fileno()))
            if found.version != ref.version:
                raise StoreUnavailable(ref.uri, "it has changed meanwhile; ask again")
            yield file

    def list(self, prefix: str = "", ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store."""
        for path in sorted(self._root.rglob(f"*{ending}")):
            target = path.relative_to(self._root).as_posix()
            if target.startswith(prefix):
                # What cannot be served is not listed either.
                with contextlib.suppress(TargetNotFound):
                    yield self.find(target)

    def _open(self, target: str, path: Path) -> BinaryIO:
        try:
            resolved = path.resolve(strict=True)
            if not resolved.is_relative_to(self._root):
                raise TargetNotFound(target, str(path), "which leads out of the store")
            # Not to hang on a FIFO that somebody put there.
            descriptor = os.open(resolved, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise TargetNotFound(target, str(path)) from None
        except PermissionError:
            raise TargetNotFound(target, str(path), "access is denied") from None
        except (OSError, RuntimeError, ValueError) as error:  # name too long, loop of links, NUL
            reason = getattr(error, "strerror", None) or "which cannot be followed"
            raise TargetNotFound(target, str(path), reason) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise TargetNotFound(target, str(path), "which is not a file")
        return os.fdopen(descriptor, "rb")

    @staticmethod
    def _ref(target: str, path: Path, status: os.stat_result) -> ArtifactRef:
        identity = f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
        return ArtifactRef(
            target=target,
            version=hashlib.sha256(identity.encode()).hexdigest()[:32],
            size_bytes=status.st_size,
            uri=str(path),
        )
