"""The shipped samples as a store, for an endpoint that was told of none: they step aside.

Where a local platform puts models of its own, without telling the endpoint that it is one, nobody
shall get a sample's answer for them. So the samples serve only while that folder is empty, and who
serves is known by target.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, BinaryIO

from mme.store.base import ARCHIVE_ENDING
from mme.store.folder import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mme.store.base import ArtifactRef

log = logging.getLogger(__name__)


class SampleStore:
    """The store of what is in the folder `root`, or in `models_dir` once that is filled."""

    def __init__(self, root: Path, models_dir: Path, *, most_files: int) -> None:
        self._samples = FolderStore(root, most_files=most_files)
        self._models_dir = models_dir
        self._most_files = most_files
        self._served: set[str] = set()
        """Targets that were found among the samples last."""
        self.uri = self._samples.uri

    def is_sample(self, target: str) -> bool:
        """Whether a target was found among the samples when it was last looked for."""
        return target in self._served

    def check(self) -> None:
        """See Store."""
        self._present().check()

    def find(self, target: str) -> ArtifactRef:
        """See Store."""
        store = self._present()
        ref = store.find(target)
        if store is not self._samples:
            self._served.discard(target)
        elif target not in self._served:
            self._served.add(target)
            log.warning("%s is a shipped sample: MME_STORE is not set", target)
        return ref

    def open(self, ref: ArtifactRef) -> AbstractContextManager[BinaryIO]:
        """See Store."""
        return self._present().open(ref)

    def list(self, prefix: str = "", ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store."""
        return self._present().list(prefix, ending)

    def list_after(self, after: str, prefix: str, limit: int) -> Sequence[ArtifactRef]:
        """See Store."""
        return self._present().list_after(after, prefix, limit)

    def list_folder(self, folder: str, ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store."""
        return self._present().list_folder(folder, ending)

    def replace(self, target: str, content: bytes, version: str | None) -> str:
        """See Store."""
        return self._present().replace(target, content, version)

    def _present(self) -> FolderStore:
        """Who serves now."""
        try:
            with os.scandir(self._models_dir) as entries:
                is_filled = next(entries, None) is not None
        except OSError:
            is_filled = False
        if not is_filled:
            return self._samples
        return FolderStore(self._models_dir, most_files=self._most_files)
