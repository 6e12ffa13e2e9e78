"""Unpacking an archive that may be hostile: streaming, bounded, and never beside its folder.

Refuses rather than repairs: what a well-made artifact never holds (paths that climb, links that
leave, devices) is an error that names the member. Links to files of the archive become files, hard
links where the file system has them, so that no symbolic link ever exists on disk. On any error the
folder may hold some files and is to be thrown away by the caller.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from mme.cache.gunzip import GzipReader
from mme.cache.tar_members import DamagedTar, Kind, Member, TarStream
from mme.core.errors import ArtifactRejected

if TYPE_CHECKING:
    from pathlib import Path

    from mme.cache.tar_members import Source

NAME_BYTES, NAME_PART_BYTES = 2048, 255
SHOWN_CHARS = 64
NO_NAME = (errno.EILSEQ, errno.EINVAL, errno.ENAMETOOLONG)
"""What file systems say of names that they do not take."""
MOST_FOLDERS_DEEP = 32
COPY_BYTES = 1024 * 1024
MEMBER_HEADER_BYTES = 4096
"""What headers come to for each member, on average: bounds what is decompressed besides files."""


@dataclass(frozen=True, slots=True)
class ExtractionLimits:
    """Bounds on one artifact."""

    archive_bytes: int
    unpacked_bytes: int
    files: int
    """Files and folders."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was written."""

    unpacked_bytes: int
    files: int


def extract(source: BinaryIO, folder: Path, limits: ExtractionLimits, uri: str) -> Extracted:
    """Unpack the gzipped tar `source` into the empty `folder`. Raises ArtifactRejected."""
    headers_bytes = COPY_BYTES + limits.files * MEMBER_HEADER_BYTES
    reader = GzipReader(source, uri, limits.archive_bytes, limits.unpacked_bytes + headers_bytes)
    extraction = _Extraction(folder, limits, uri)
    try:
        stream = TarStream(reader, headers_bytes)
        for member in stream:
            extraction.unpack(stream, member)
    except DamagedTar as error:
        raise ArtifactRejected(uri, f"the archive is damaged or cut off ({error})") from error
    if extraction.files == 0:
        raise ArtifactRejected(uri, "it holds no files")
    return Extracted(extraction.unpacked_bytes, extraction.files)


class _Extraction:
    """One extraction: counts what it makes and writes, and stops at the limits."""

    def __init__(self, folder: Path, limits: ExtractionLimits, uri: str) -> None:
        self._folder = folder
        self._limits = limits
        self._uri = uri
        self._members = 0
        self._made = 0
        self._folders: set[Path] = {folder}
        self.files = 0
        self.unpacked_bytes = 0

    def unpack(self, stream: TarStream, member: Member) -> None:
        """Write one member, a link as a copy."""
        self._members += 1
        if self._members > self._limits.files:
            self._refuse(f"it has more than {self._limits.files} members")
        parts = _safe_parts(member.name, self._uri)
        linked = self._linked_file(member)
        self._check_size(member.size_bytes if linked is None else linked.stat().st_size)
        if not parts:
            return  # the root itself, as `tar -C dir .` writes it
        place = self._folder.joinpath(*parts)
        try:
            if member.kind is Kind.FOLDER:
                self._make_folder(place)
                return
            if member.kind is Kind.OTHER:
                self._refuse(f"member {member.name!r} is neither file nor folder")
            self._make_folder(place.parent)
            self._count_made()
            self.files += 1
            if linked is None:
                self._write(stream, place)
            else:
                self._link(linked, place)
        except (FileExistsError, NotADirectoryError):
            self._refuse(f"member {member.name!r} is there twice")
        except OSError as error:
            if error.errno in NO_NAME:
                self._refuse(f"member {member.name!r}: {os.strerror(error.errno)}")
            raise

    def _write(self, content: Source, place: Path) -> None:
        # "x": a second member of the same name must not replace the first.
        with place.open("xb") as file:
            while data := content.read(COPY_BYTES):
                self._check_size(len(data))
                self.unpacked_bytes += file.write(data)
        place.chmod(0o644)

    def _link(self, file: Path, place: Path) -> None:
        """Have the content of `file` at `place` too, which takes no room but counts as a copy."""
        size_bytes = file.stat().st_size
        try:
            os.link(file, place, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # there are file systems, and many links, that have none
            with file.open("rb") as content:
                self._write(content, place)
        else:
            self.unpacked_bytes += size_bytes

    def _make_folder(self, place: Path) -> None:
        """Make a folder and those it lies in; each that is new counts."""
        missing = []
        while place not in self._folders:
            missing.append(place)
            place = place.parent
        for each in reversed(missing):
            self._count_made()
            each.mkdir(mode=0o755)
            self._folders.add(each)

    def _count_made(self) -> None:
        self._made += 1
        if self._made > self._limits.files:
            self._refuse(f"it has more than {self._limits.files} files and folders")

    def _check_size(self, more_bytes: int) -> None:
        if self.unpacked_bytes + more_bytes > self._limits.unpacked_bytes:
            self._refuse(f"unpacked it is larger than {self._limits.unpacked_bytes} bytes")

    def _linked_file(self, member: Member) -> Path | None:
        """The file unpacked already that a link stands for; None if `member` is no link."""
        if member.kind not in (Kind.HARD_LINK, Kind.SYMBOLIC_LINK):
            return None
        shown = member.linkname[:SHOWN_CHARS]
        if len(member.linkname) <= NAME_BYTES and "\0" not in member.linkname:
            # A symbolic link is relative to its own folder, a hard link to the archive's root.
            is_symbolic = member.kind is Kind.SYMBOLIC_LINK
            base = PurePosixPath(member.name).parent if is_symbolic else PurePosixPath()
            place = self._folder / os.path.normpath(base / member.linkname)
            # Nothing below the folder is a link, so a normal path that begins with it stays in it.
            inside = place.is_relative_to(self._folder) and ".." not in place.parts
            if inside and _is_file(place):
                return place
        raise ArtifactRejected(
            self._uri, f"member {member.name!r} is a link to {shown!r}, no file before it"
        )

    def _refuse(self, reason: str) -> NoReturn:
        raise ArtifactRejected(self._uri, reason)


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # a part of the name is too long
        return False


def _safe_parts(name: str, uri: str) -> tuple[str, ...]:
    """A member's path below the folder; raises ArtifactRejected if it leads elsewhere."""
    if len(name) > NAME_BYTES:
        raise ArtifactRejected(uri, f"member {name[:SHOWN_CHARS]!r}... has a name that is too long")
    if name.startswith("/") or "\0" in name or "\\" in name:
        raise ArtifactRejected(uri, f"member {name!r} is not a plain relative path")
    parts = tuple(part for part in PurePosixPath(name).parts if part != ".")
    if ".." in parts:
        raise ArtifactRejected(uri, f"member {name!r} climbs out of the archive with '..'")
    in_bytes = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
    if sum(in_bytes) > NAME_BYTES or any(each > NAME_PART_BYTES for each in in_bytes):
        raise ArtifactRejected(uri, f"member {name[:SHOWN_CHARS]!r}... has a name that is too long")
    if len(parts) > MOST_FOLDERS_DEEP:
        raise ArtifactRejected(uri, f"member {name[:SHOWN_CHARS]!r}... lies too deep in folders")
    # The model server takes a folder with such a file for another archive format, and fails.
    if len(parts) <= 2 and parts[-1:] and parts[-1].lower() == "manifest.json":  # noqa: PLR2004
        raise ArtifactRejected(
            uri, f"member {name!r}: an artifact may hold no manifest.json, rename it"
        )
    return parts
