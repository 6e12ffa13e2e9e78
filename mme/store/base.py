"""What a store is: artifacts by key, found, opened, listed. Where they lie is up to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from mme.core.errors import TargetNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

ARCHIVE_ENDING = ".tar.gz"


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """One version of one artifact in a store."""

    target: str
    """Path below the store, as clients name it."""
    version: str
    """Changes whenever the content does: an ETag, or a digest of a file's identity."""
    size_bytes: int
    uri: str
    """The full place, for people."""


class TargetDenied(TargetNotFound):
    """The store does not say whether there is such an artifact, or lets nobody read it."""


class Store(Protocol):
    """Read-only access to artifacts; blocking, safe to use from several threads."""

    uri: str

    def check(self) -> None:
        """Ask the store whether it can be reached and read. Raises StoreUnavailable."""

    def find(self, target: str) -> ArtifactRef:
        """The current version of `target`.

        Raises InvalidRequest (no plain path), TargetNotFound (naming the place tried; TargetDenied
        is one), StoreUnavailable.
        """

    def open(self, ref: ArtifactRef) -> AbstractContextManager[BinaryIO]:
        """The bytes of exactly this version; raises as `find` does, also if it has changed.

        So does each `read`. Read to the end, it is whole as far as the store can tell.
        """

    def list(self, prefix: str = "", ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """What begins with `prefix`, in the order of targets; all archives by default."""
