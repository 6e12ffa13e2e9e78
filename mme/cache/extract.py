"""Unpacking an archive that may be hostile: streaming, bounded, and never beside its folder.

Refuses rather than repairs: what a well-made artifact never holds (paths that climb, links that
leave, devices) is an error that names the member. Links to files of the archive become copies, so
that no link ever exists on disk. On any error the folder may hold some files and is to be thrown
away by the caller.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from mme.core.errors import ArtifactRejected

if TYPE_CHECKING:
    from pathlib import Path

NAME_PART_BYTES = 255
GZIP_MAGIC = b"\x1f\x8b"
COPY_BYTES = 1024 * 1024
HEADER_BYTES = 1024 * 1024
PLAIN_TYPES = (*tarfile.SUPPORTED_TYPES[:8], tarfile.CONTTYPE)


@dataclass(frozen=True, slots=True)
class ExtractionLimits:
    """Bounds on one artifact."""

    archive_bytes: int
    unpacked_bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was read and written."""

    archive_bytes: int
    unpacked_bytes: int
    files: int


class _BoundedTarInfo(tarfile.TarInfo):
    """Members whose extended headers, which are read into memory, have a bound."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in PLAIN_TYPES and self.size > HEADER_BYTES:
            raise tarfile.ReadError(f"an extended header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]


class _Counting:
    """A reader that counts, and that refuses to go on past a limit."""

    def __init__(self, source: BinaryIO, limit_bytes: int, uri: str) -> None:
        self._source = source
        self._limit_bytes = limit_bytes
        self._uri = uri
        self._head = b""
        self.count = 0

    def peek_magic(self) -> bytes:
        self._head = self._source.read(len(GZIP_MAGIC))
        return self._head

    def read(self, size: int = -1) -> bytes:
        head, self._head = self._head, b""
        data = head + self._source.read(max(0, size - len(head)) if size >= 0 else -1)
        self.count += len(data)
        if self.count > self._limit_bytes:
            raise ArtifactRejected(
                self._uri, f"the archive is larger than {self._limit_bytes} bytes"
            )
        return data


def extract(source: BinaryIO, folder: Path, limits: ExtractionLimits, uri: str) -> Extracted:
    """Unpack the gzipped tar `source` into the empty `folder`. Raises ArtifactRejected."""
    counted = _Counting(source, limits.archive_bytes, uri)
    magic = counted.peek_magic()
    if magic != GZIP_MAGIC:
        what = "is empty" if not magic else f"is not gzip: it begins with {magic!r}"
        raise ArtifactRejected(uri, f"the archive {what}")
    unpacked_bytes = files = members = 0
    try:
        with tarfile.open(  # type: ignore[call-overload]
            fileobj=counted, mode="r|gz", tarinfo=_BoundedTarInfo
        ) as archive:
            for member in archive:
                members += 1
                if members > limits.files:
                    raise ArtifactRejected(uri, f"it has more than {limits.files} members")
                linked = _linked_file(member, folder, uri)
                unpacked_bytes += member.size if linked is None else linked.stat().st_size
                if unpacked_bytes > limits.unpacked_bytes:
                    raise ArtifactRejected(
                        uri, f"unpacked it is larger than {limits.unpacked_bytes} bytes"
                    )
                files += _unpack(archive, member, linked, folder, uri)
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError) as error:
        raise ArtifactRejected(uri, f"the archive is damaged or cut off ({error})") from error
    if files == 0:
        raise ArtifactRejected(uri, "it holds no files")
    return Extracted(counted.count, unpacked_bytes, files)


def _linked_file(member: tarfile.TarInfo, folder: Path, uri: str) -> Path | None:
    """The file unpacked already that a link stands for; None if `member` is no link."""
    if not (member.issym() or member.islnk()):
        return None
    # A symbolic link is relative to its own folder, a hard link to the archive's root.
    base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
    place = folder / os.path.normpath(base / member.linkname)
    # Nothing below the folder is a link, so a normal path that begins with it stays in it.
    if not place.is_relative_to(folder) or ".." in place.parts or not place.is_file():
        raise ArtifactRejected(
            uri, f"member {member.name!r} is a link to {member.linkname!r}, no file before it"
        )
    return place


def _unpack(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    linked: Path | None,
    folder: Path,
    uri: str,
) -> bool:
    """Write one member, a link as a copy; returns whether it was a file."""
    parts = _safe_parts(member, uri)
    if not parts:
        return False  # the root itself, as `tar -C dir .` writes it
    place = folder.joinpath(*parts)
    try:
        if member.isdir():
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
            return False
        if not member.isfile() and linked is None:
            raise ArtifactRejected(uri, f"member {member.name!r} is neither file nor folder")
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        content = archive.extractfile(member) if linked is None else linked.open("rb")
        # "x": a second member of the same name must not replace the first.
        with place.open("xb") as file:
            if content is not None:
                with content:
                    shutil.copyfileobj(content, file, COPY_BYTES)
        place.chmod(0o644)
    except (FileExistsError, NotADirectoryError):
        raise ArtifactRejected(uri, f"member {member.name!r} is there twice") from None
    return True


def _safe_parts(member: tarfile.TarInfo, uri: str) -> tuple[str, ...]:
    """The member's path below the folder; raises ArtifactRejected if it leads elsewhere."""
    name = member.name
    if name.startswith("/") or "\0" in name or "\\" in name:
        raise ArtifactRejected(uri, f"member {name!r} is not a plain relative path")
    parts = tuple(part for part in PurePosixPath(name).parts if part != ".")
    if ".." in parts:
        raise ArtifactRejected(uri, f"member {name!r} climbs out of the archive with '..'")
    if any(len(part.encode("utf-8", "surrogateescape")) > NAME_PART_BYTES for part in parts):
        raise ArtifactRejected(uri, f"member {name[:64]!r}... has a name that is too long")
    # The model server takes a folder with such a file for another archive format, and fails.
    if len(parts) <= 2 and parts[-1:] and parts[-1].lower() == "manifest.json":  # noqa: PLR2004
        raise ArtifactRejected(
            uri, f"member {name!r}: an artifact may hold no manifest.json, rename it"
        )
    return parts
