"""Packing a trained model: the same files always give the same archive, byte for byte."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_archive(folder: Path, archive: Path) -> int:
    """Pack the files below `folder`, at the archive's root, into `archive`; returns its size.

    Order, times, owners and modes are fixed. The archive appears whole or not at all.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size, member.mode, member.mtime = path.stat().st_size, 0o644, 0
            with path.open("rb") as content:
                tar.addfile(member, content)
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        partial.write_bytes(packed.getvalue())
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)
    return len(packed.getvalue())
