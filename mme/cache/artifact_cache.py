"""Unpacked artifacts on the local disk, kept between runs: whole or not there.

    root/lock                    held while an endpoint uses the cache
    root/artifacts/NAME/model/   what the model server loads
    root/artifacts/NAME/entry.json
    root/partial/                whatever is not finished; emptied at start and end

Leaves to residency who is fetched and who goes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mme.cache.extract import ExtractionLimits, extract
from mme.core.errors import ArtifactRejected, NoDiskSpace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from mme.store import ArtifactRef, Store

DISK_BLOCK_BYTES = 512
"""The unit of st_blocks, whatever the file system's own."""

log = logging.getLogger(__name__)


class CacheInUse(RuntimeError):
    """Another endpoint uses this cache folder."""


@dataclass(frozen=True, slots=True)
class CachedArtifact:
    """One unpacked artifact."""

    name: str
    target: str
    version: str
    archive_bytes: int
    unpacked_bytes: int
    model_dir: Path
    fetched_at: float
    """Wall clock seconds."""


class ArtifactCache:
    """The cache below `root`; at most one process has it at a time. Safe for threads.

    Raises CacheInUse if another process has it, OSError if it cannot be written.
    """

    def __init__(
        self, root: Path, limits: ExtractionLimits, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._artifacts = root / "artifacts"
        self._partial = root / "partial"
        self._artifacts.mkdir(parents=True, exist_ok=True)
        self._lock: int | None = _locked(root / "lock")
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(exist_ok=True)
        self._entries: dict[str, CachedArtifact] = {}
        for folder in self._artifacts.iterdir():
            entry = _read_entry(folder)
            if entry is None:
                log.warning("dropping %s from the cache: its record cannot be read", folder.name)
                self.remove(folder.name)
            else:
                self._entries[entry.name] = entry
        self._drop_superseded()

    @property
    def artifacts_dir(self) -> Path:
        """The folder of a folder per artifact; what is put beside `model` there goes with it."""
        return self._artifacts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop what is unfinished or replaced and let others use the cache; idempotent."""
        if self._lock is not None:
            self._drop_superseded()
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir(exist_ok=True)
            os.close(self._lock)
            self._lock = None

    def lookup(self, name: str) -> CachedArtifact | None:
        """The artifact of that name, if it is here whole."""
        return self._entries.get(name)

    def entries(self) -> list[CachedArtifact]:
        """Everything that is here whole, in no order."""
        return list(self._entries.values())

    def fetch(self, name: str, ref: ArtifactRef, store: Store) -> CachedArtifact:
        """Download and unpack `ref` as `name`; returns what is there if it is.

        Raises ArtifactRejected, NoDiskSpace, and what the store raises; nothing is left then.
        """
        found = self.lookup(name)
        if found is not None:
            return found
        scratch = Path(tempfile.mkdtemp(dir=self._partial))
        try:
            model_dir = scratch / "model"
            model_dir.mkdir(mode=0o755)
            if ref.size_bytes > self._limits.archive_bytes:
                raise ArtifactRejected(
                    ref.uri, f"the archive is larger than {self._limits.archive_bytes} bytes"
                )
            with store.open(ref) as source:
                extracted = extract(source, model_dir, self._limits, ref.uri)
            entry = CachedArtifact(
                name=name,
                target=ref.target,
                version=ref.version,
                archive_bytes=ref.size_bytes,
                unpacked_bytes=extracted.unpacked_bytes,
                model_dir=self._artifacts / name / "model",
                fetched_at=self._clock(),
            )
            _write_entry(scratch, entry)
            scratch.chmod(0o755)
            try:
                scratch.rename(self._artifacts / name)
            except OSError as error:
                # Somebody was faster with the same name: theirs is as good.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoDiskSpace(str(self._artifacts.parent), ref.uri) from error
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._entries[name] = entry
        return entry

    def used(self, name: str) -> None:
        """Note that an artifact was wanted now; what is wanted longest ago is dropped first."""
        with contextlib.suppress(FileNotFoundError):
            now_s = self._clock()
            os.utime(self._artifacts / name / "entry.json", (now_s, now_s))

    def shrink(self, limit_bytes: int, is_in_use: Callable[[str], bool]) -> int:
        """Drop artifacts not in use, least recently wanted first, until `limit_bytes` are kept.

        Returns by how many bytes the cache is still too large.
        """
        sizes = {name: _disk_bytes(self._artifacts / name) for name in list(self._entries)}
        excess = sum(sizes.values()) - limit_bytes
        for name in sorted(self._entries, key=self._wanted_at):
            if excess <= 0:
                break
            if not is_in_use(name):
                log.info("dropping %s from the disk cache", self._entries[name].target)
                self.remove(name)
                excess -= sizes.get(name, 0)
        return max(0, excess)

    def drop_oldest(self, is_in_use: Callable[[str], bool]) -> bool:
        """Drop the one least recently wanted artifact that is not in use; False: there is none."""
        for name in sorted(self._entries, key=self._wanted_at):
            if not is_in_use(name):
                self.remove(name)
                return True
        return False

    def _drop_superseded(self) -> None:
        """Of each target keep what was fetched last: an end in between may have left older ones."""
        latest: dict[str, CachedArtifact] = {}
        for entry in sorted(self._entries.values(), key=lambda each: each.fetched_at):
            replaced = latest.get(entry.target)
            latest[entry.target] = entry
            if replaced is not None:
                self.remove(replaced.name)

    def _wanted_at(self, name: str) -> float:
        with contextlib.suppress(FileNotFoundError):
            return (self._artifacts / name / "entry.json").stat().st_mtime
        return 0.0

    def remove(self, name: str) -> None:
        """Drop an artifact; it is gone for `lookup` before its first file is."""
        self._entries.pop(name, None)
        doomed = Path(tempfile.mkdtemp(dir=self._partial))
        with contextlib.suppress(FileNotFoundError):
            (self._artifacts / name).rename(doomed / name)
        shutil.rmtree(doomed, ignore_errors=True)


def _disk_bytes(folder: Path) -> int:
    """What a folder's files take on disk; files that go meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_blocks * DISK_BLOCK_BYTES
    return total


def _locked(path: Path) -> int:
    """The descriptor that holds the lock, which says who does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise CacheInUse(
            f"the cache folder {path.parent} is in use by another endpoint (pid {holder or '?'})"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _write_entry(folder: Path, entry: CachedArtifact) -> None:
    record = asdict(entry) | {"model_dir": None}
    with (folder / "entry.json").open("w", encoding="utf-8") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())


def _read_entry(folder: Path) -> CachedArtifact | None:
    """The record of an artifact; None if there is none that can be believed."""
    try:
        record = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
        entry = CachedArtifact(**(record | {"model_dir": folder / "model"}))
    except (OSError, ValueError, TypeError):
        return None
    return entry if entry.name == folder.name and entry.model_dir.is_dir() else None
