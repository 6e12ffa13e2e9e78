"""Archives for tests: well-made, broken and hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def tar_gz(files: Mapping[str, bytes], *members: tarfile.TarInfo) -> bytes:
    """A gzipped tar of `files` by name, then `members` without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return out.getvalue()


def member(name: str, kind: bytes, linkname: str = "") -> tarfile.TarInfo:
    """A member without content: a link, a device, a FIFO."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


def bomb(size_bytes: int) -> bytes:
    """An archive of one file of zeros, a thousandth of its size."""
    info = tarfile.TarInfo("zeros")
    info.size = size_bytes
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as packed:
        packed.write(info.tobuf())
        for _ in range(size_bytes // 1_000_000):
            packed.write(bytes(1_000_000))
    return out.getvalue()
