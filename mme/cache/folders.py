"""The cache's folders on this disk, and what is done when something else lies in their places.

    root/lock              held while an endpoint uses the cache
    root/index.db          see `index.py`
    root/store             which store the artifacts came from
    root/artifacts/NAME/   model/ (the artifact), mapped/ (its converted form), entry.json
    root/partial/          what is being fetched
    root/leaving/          what is being removed
    root/aside-*           what was in the way; never touched again

A name is in `artifacts` whole or not at all: what appears there or goes is renamed. Whatever is
found below the root, it does not stop the start.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import stat
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.cache.index import FILE_ENDINGS
from mme.cache.removal import move_aside, remove

if TYPE_CHECKING:
    from collections.abc import Callable

STORE = "store"
NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
DISK_BLOCK_BYTES = 512
"""The unit of st_blocks, whatever the file system's own."""

log = logging.getLogger(__name__)


class CacheInUse(RuntimeError):
    """Another endpoint uses this cache folder."""


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of a cache."""

    root: Path
    artifacts: Path
    partial: Path
    leaving: Path
    index: Path
    lock: int
    """The descriptor that holds the lock."""

    def of(self, name: str) -> Path | None:
        """The folder of an artifact; None if that is no artifact's name."""
        return self.artifacts / name if NAME.fullmatch(name) else None

    def new_partial(self) -> Path:
        """A new folder to fetch into, also where somebody has removed the cache meanwhile."""
        for folder in (self.artifacts, self.partial, self.leaving):
            folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.partial))

    def leave(self, path: Path) -> str | None:
        """Move something out of sight; returns the name to remove in `leaving`, if it was there."""
        return move_aside(path, self.leaving)

    def clear_away(self, path: Path) -> None:
        """Clear a place in `artifacts`: a broken folder is removed, anything else set aside."""
        mode = _mode(path)
        if mode is None:
            return
        if not stat.S_ISDIR(mode) or not NAME.fullmatch(path.name):
            _set_aside(self.root, path)
            return
        log.warning("%r has no record that can be believed: it is removed", str(path))
        left = self.leave(path)
        if left is not None:
            remove(self.leaving, left)


def opened(root: Path, store_uri: str = "") -> Folders:
    """Lock the cache below `root` and make its folders.

    What an earlier endpoint was fetching is out of sight at once and removed by whoever empties
    `leaving`, as is all that came from another store than `store_uri`, if that is told. Raises
    CacheInUse if another process has it, OSError if it cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock_file = root / "lock"
    _must_be(stat.S_ISREG, root, lock_file)
    lock = _locked(lock_file)
    try:
        artifacts, partial, leaving = root / "artifacts", root / "partial", root / "leaving"
        for folder in (artifacts, partial, leaving):
            _must_be(stat.S_ISDIR, root, folder)
            folder.mkdir(exist_ok=True)
            _keep_for_us(root, folder)
        index = root / "index.db"
        for ending in FILE_ENDINGS:
            _must_be(stat.S_ISREG, root, index.with_name(index.name + ending))
        if any(partial.iterdir()):
            move_aside(partial, leaving)
            partial.mkdir()
        if store_uri:
            _must_be(stat.S_ISREG, root, root / STORE)
            _leave_other_store(root, index, store_uri)
    except BaseException:
        os.close(lock)
        raise
    return Folders(root, artifacts, partial, leaving, index, lock)


def disk_bytes(folder: Path) -> int:
    """What a folder's files take on disk; those that go meanwhile count nothing."""
    in_bytes, waiting = 0, [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                else:
                    in_bytes += entry.stat(follow_symlinks=False).st_blocks * DISK_BLOCK_BYTES
    return in_bytes


def _must_be(is_right: Callable[[int], bool], root: Path, path: Path) -> None:
    """Set aside what is at `path` if it is of the wrong kind."""
    mode = _mode(path)
    if mode is not None and not is_right(mode):
        _set_aside(root, path)


def _keep_for_us(root: Path, folder: Path) -> None:
    """Let nobody else write to a folder of the cache; set aside one that is somebody else's."""
    probe = Path(tempfile.mkdtemp(dir=root))
    owner = probe.stat().st_uid  # a file system may give us another number than ours
    probe.rmdir()
    if folder.stat().st_uid != owner:
        _set_aside(root, folder)
        folder.mkdir()
    with contextlib.suppress(PermissionError):  # where modes cannot be changed
        folder.chmod(0o755)


def _leave_other_store(root: Path, index: Path, store_uri: str) -> None:
    """Begin anew if another store filled the cache: the same names are other artifacts there.

    They would serve where this store does not answer. What is of no known store is believed to be
    of this one.
    """
    told, artifacts = root / STORE, root / "artifacts"
    now, before = os.fsencode(store_uri), told.read_bytes() if told.exists() else None
    if before == now:
        return
    if before is not None:
        log.warning(
            "%r came from the store %r: it goes, for models come from %r now",
            str(artifacts), os.fsdecode(before), store_uri,
        )  # fmt: skip
        for ending in FILE_ENDINGS:
            index.with_name(index.name + ending).unlink(missing_ok=True)
        move_aside(artifacts, root / "leaving")
        artifacts.mkdir(mode=0o755)
    try:
        told.write_bytes(now)
    except OSError as error:  # a full disk is no reason not to serve
        log.warning("%r cannot be written: %s", str(told), error)


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _set_aside(root: Path, path: Path) -> None:
    aside = root / f"aside-{path.name[:64]}-{uuid.uuid4().hex[:8]}"
    log.warning("%r is in the way: it is moved to %r", str(path), str(aside))
    path.rename(aside)


def _locked(path: Path) -> int:
    """The descriptor that holds the lock; the file says which process does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
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
