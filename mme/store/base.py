"""What a store is: artifacts by key, found, opened, listed. Where they lie is up to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from mme.core.errors import StoreUnavailable, TargetNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
    modified_at: float = 0.0
    """Wall clock seconds."""


class Changed(StoreUnavailable):
    """What was to be replaced is not any more what it was thought to be."""

    def __init__(self, where: str) -> None:
        super().__init__(where, "it has changed meanwhile; ask again")


class TargetDenied(TargetNotFound):
    """The store does not say whether there is such an artifact, or lets nobody read it."""


class Store(Protocol):
    """Access to artifacts, and to small files beside them; blocking, safe for several threads."""

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

    def list_after(self, after: str, prefix: str, limit: int) -> Sequence[ArtifactRef]:
        """The first `limit` archives whose targets follow `after` and begin with `prefix`.

        In the order of targets; raises StoreUnavailable, TargetDenied.
        """

    def list_folder(self, folder: str, ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """What lies in a folder ("" or ending in a slash) itself, in no order; as `list`."""

    def replace(self, target: str, content: bytes, version: str | None) -> str:
        """Write a small file whose version is still `version`; None: there is none yet.

        Others see the former content or all of the new one. Returns the new version. Raises
        Changed if it is another one by now, InvalidRequest, StoreUnavailable (not writable, too).
        """
