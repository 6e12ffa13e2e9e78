"""Unpacking an artifact that a command was given, safely and within limits as the endpoint does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.cache import ExtractionLimits
from mme.cache.extract import extract

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1024**3
LIMITS = ExtractionLimits(archive_bytes=5 * GIB, unpacked_bytes=5 * GIB, files=10_000)
ENDING = ".tar.gz"


def unpacked(archive: Path, folder: Path, uri: str) -> Path:
    """The folder, made and filled; `uri` is what errors call the archive. Raises EndpointError."""
    folder.mkdir(parents=True)
    with archive.open("rb") as content:
        extract(content, folder, LIMITS, uri)
    return folder
