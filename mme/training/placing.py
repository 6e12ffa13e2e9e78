"""Putting results where they belong: all of them appear, whole, or none does.

What was there before stays until the new files are complete, and for good if they never are.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

from mme.training.plan import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check_writable(folder: Path) -> None:
    """Make the folder if need be, and try it: better now than after an hour. Raises TrainingError.

    How much room there is cannot be known before.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except OSError as error:
        raise TrainingError(f"cannot write to {folder}: {error.strerror}") from error


class Placing:
    """Files in the making, each beside its place under a name of this process."""

    def __init__(self) -> None:
        self._partials: dict[Path, Path] = {}

    def make(self, place: Path) -> Path:
        """The file to write what is to appear at `place`; its folder is made if need be."""
        place.parent.mkdir(parents=True, exist_ok=True)
        return self._partials.setdefault(place, place.with_name(f".{place.name}.{os.getpid()}"))

    def write(self, place: Path, content: str) -> None:
        """Write a text that is to appear at `place`."""
        self.make(place).write_text(content, encoding="utf-8")

    def appear(self) -> None:
        """Let all files appear, once their bytes are on the disk."""
        for partial in self._partials.values():
            descriptor = os.open(partial, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        for place, partial in self._partials.items():
            partial.replace(place)
        self._partials.clear()

    def forget(self) -> None:
        """Remove what has not appeared."""
        for partial in self._partials.values():
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def placing() -> Iterator[Placing]:
    """Files that appear at the end of the block unless it fails. Raises TrainingError."""
    files = Placing()
    try:
        yield files
        files.appear()
    except OSError as error:
        named = f" {error.filename}" if error.filename else ""
        raise TrainingError(
            f"cannot write{named}: {error.strerror}; nothing was changed"
        ) from error
    finally:
        files.forget()
