"""A temporary folder of a worker's own: where code that an artifact brought may write.

Each is named by its process, in one folder of the endpoint's to which all workers may add and that
none may list. It goes when the process ends: the template removes it, in a fork, and a later one
what one before it could not. How large a file may be the kernel watches; all together are counted
after each answer.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mme.cache import removal

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

MOST_FILES = 10_000
"""Files and folders together."""
VARIABLES = ("TMPDIR", "HOME")
"""What libraries look at: Python's `tempfile` at the first, caches of models at the second."""


def make(root: str) -> str | None:
    """Make this process's folder and have libraries use it; None, which is logged: it cannot be."""
    folder = f"{root}/{os.getpid()}"
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102 - fewer pages written than with a Path
    except OSError as error:
        log.warning("the script has no temporary folder: %s", error)
        return None
    for name in VARIABLES:
        os.environ[name] = folder
    tempfile.tempdir = folder
    return folder


def is_over(folder: str, most_bytes: int) -> bool:
    """Whether more is in the folder than may be kept there."""
    left_bytes: float = most_bytes
    left_files = MOST_FILES
    for size_bytes in _sizes(folder):
        left_bytes -= size_bytes
        left_files -= 1
        if left_bytes < 0 or left_files < 0:
            log.warning(
                "a script keeps more than %d bytes or %d files in its temporary folder: its process"
                " is replaced",
                most_bytes,
                MOST_FILES,
            )
            return True
    return False


def is_left(root: str, pid: int) -> bool:
    """Whether something is to be removed of a process that ended; an empty folder goes at once."""
    try:
        os.rmdir(f"{root}/{pid}")  # noqa: PTH106
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def remove(root: str, pid: int) -> None:
    """Remove a process's folder, however large it is; what resists is logged, and stays."""
    removal.remove(Path(root), str(pid))


def forsaken(root: str) -> list[int]:
    """Processes that ended and left their folders."""
    try:
        names = os.listdir(root)  # noqa: PTH208
    except OSError:
        return []
    return [int(name) for name in names if name.isdecimal() and not _is_alive(name)]


def _is_alive(pid: str) -> bool:
    return os.path.exists(f"/proc/{pid}")  # noqa: PTH110


def _sizes(folder: str) -> Iterator[float]:
    """What each file and folder takes, in bytes; what comes and goes meanwhile is passed over.

    A folder that cannot be looked into, as one with too long a path, holds who knows how much.
    """
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield _size(entry)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            yield math.inf


def _size(entry: os.DirEntry[str]) -> int:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return 0
    return max(status.st_size, status.st_blocks * 512)
