"""Bringing one archive from the store to a file on this disk: bounded, and whole or an error.

Blocking; runs in a thread. `Download.stop` ends it soon from another one.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mme.core.errors import ArtifactRejected, StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from mme.store import ArtifactRef, Store

CHUNK_BYTES = 1024 * 1024


class DownloadStopped(Exception):
    """Nobody waits for this download any more."""


class Download:
    """One download."""

    def __init__(self, ref: ArtifactRef, store: Store, most_bytes: int) -> None:
        self._ref = ref
        self._store = store
        self._most_bytes = most_bytes
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Let it end with its next chunk."""
        self._is_stopped.set()

    def into(self, archive: Path) -> None:
        """Write the archive to a new file.

        Raises ArtifactRejected, DownloadStopped, OSError, and what the store raises.
        """
        written = 0
        with self._store.open(self._ref) as source, archive.open("xb") as file:
            while chunk := source.read(CHUNK_BYTES):
                if self._is_stopped.is_set():
                    raise DownloadStopped
                written += len(chunk)
                if written > self._most_bytes:
                    raise ArtifactRejected(
                        self._ref.uri, f"the archive is larger than {self._most_bytes} bytes"
                    )
                file.write(chunk)
        if written != self._ref.size_bytes:
            raise StoreUnavailable(
                self._ref.uri, f"it gave {written} of {self._ref.size_bytes} bytes; ask again"
            )
