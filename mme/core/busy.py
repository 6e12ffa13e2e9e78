"""Is any worker answering a request right now? For a stop that waits, where no gateway counts.

Workers share a lock on one file while they answer; the endpoint asks whether it could have the lock
for itself. Two system calls a request, and the kernel drops the lock of a worker that dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ENVIRONMENT = "MME_BUSY_FILE"


class BusyFile:
    """One process's hold of the file. Workers open it after the fork: a copy shares its lock."""

    def __init__(self, path: str | Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Answer inside the block."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def is_anybody_answering(self) -> bool:
        """Whether a worker answers now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def busy_file_of(environ: Mapping[str, str]) -> BusyFile | None:
    """The file a worker's environment names; None where somebody else counts requests."""
    path = environ.get(ENVIRONMENT)
    return BusyFile(path) if path else None
