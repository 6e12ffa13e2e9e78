"""Packing a trained model: the same files always give the same archive, byte for byte."""

from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_archive(folder: Path, archive: Path) -> None:
    """Pack the files below `folder`, at the archive's root, into the file `archive`.

    Order, times, owners and modes are fixed.
    """
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in files_below(folder):
            path = folder / name
            member = tarfile.TarInfo(name.as_posix())
            member.size, member.mode, member.mtime = path.stat().st_size, 0o644, 0
            with path.open("rb") as content:
                tar.addfile(member, content)


def files_below(folder: Path) -> list[Path]:
    """The files of an artifact, by their names in it, in order."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
