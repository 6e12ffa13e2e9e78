"""Removing whatever lies in a folder, however deep, strange or forbidding it is.

Nothing here recurses, holds more than two folders open or makes a path longer than the caller gave:
each folder found inside is moved up beside the first one and emptied there in turn. Links are
removed and never followed.
"""

from __future__ import annotations

import errno
import logging
import os
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NO_FOLDER = (errno.ENOTDIR, errno.ELOOP)

log = logging.getLogger(__name__)


def move_aside(path: Path, into: Path) -> str | None:
    """Move `path` into the folder `into` under a new name, which is returned; None: it is gone.

    Atomic, whatever `path` is; both must be on one file system.
    """
    name = uuid.uuid4().hex
    try:
        path.rename(into / name)
    except FileNotFoundError:
        return None
    except PermissionError:
        # A folder that may not be written cannot be moved: its `..` changes.
        path.chmod(0o700)
        path.rename(into / name)
    return name


def remove(parent: Path, name: str) -> None:
    """Remove `name` in the folder `parent`; what cannot be removed is logged and left there."""
    descriptor = os.open(parent, FOLDER)
    waiting = [name]
    try:
        while waiting:
            try:
                waiting += _emptied(descriptor, waiting.pop())
            except FileNotFoundError:
                continue
            except OSError as error:
                log.warning("something below %r cannot be removed: %s", str(parent), error)
    finally:
        os.close(descriptor)


def remove_all(parent: Path) -> None:
    """Empty the folder `parent`."""
    for name in os.listdir(parent):  # noqa: PTH208 - names only
        remove(parent, name)


def _emptied(parent: int, name: str) -> list[str]:
    """Remove one file or folder in `parent`; returns the folders that were moved there from it."""
    try:
        folder = _opened(parent, name)
    except OSError as error:
        if error.errno not in NO_FOLDER:
            raise
        os.unlink(name, dir_fd=parent)
        return []
    moved: list[str] = []
    try:
        os.fchmod(folder, 0o700)
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for inner, is_folder in found:
            if is_folder:
                moved.append(_moved_up(folder, inner, parent))
            else:
                os.unlink(inner, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)
    return moved


def _opened(parent: int, name: str) -> int:
    try:
        return os.open(name, FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, FOLDER, dir_fd=parent)


def _moved_up(folder: int, inner: str, parent: int) -> str:
    name = uuid.uuid4().hex
    try:
        os.rename(inner, name, src_dir_fd=folder, dst_dir_fd=parent)
    except PermissionError:
        os.chmod(inner, 0o700, dir_fd=folder)
        os.rename(inner, name, src_dir_fd=folder, dst_dir_fd=parent)
    return name
