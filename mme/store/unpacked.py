"""An artifact that lies unpacked in a folder of a store, read as the archive it would be.

Whoever fetches it gets a gzipped tar, made while it is read and not compressed: so all that is
checked of archives is checked of it, where archives are. Here it is only made sure that nothing
outside the folder is read, that the walk is bounded, and that what is read is one version.
Everything blocks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import struct
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.core.errors import ArtifactRejected, StoreUnavailable
from mme.store.base import ARCHIVE_ENDING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

PARAMS_ENDING = "-params.json"
MOST_FILES = 10_000
STORED_BYTES = 65535
"""Most bytes of a block that is not compressed."""
GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
BLOCK_HEAD, GZIP_TAIL = struct.Struct("<BHH"), struct.Struct("<II")
END_OF_TAR = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True, slots=True)
class _File:
    """A file or folder of an artifact, as the walk found it."""

    name: str
    place: Path
    """Where its content is: elsewhere for a link."""
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def size_bytes(self) -> int:
        return 0 if self.is_folder else self.status.st_size

    def identity(self) -> tuple[str, bool, tuple[int, ...]]:
        """Changes whenever the content does; a folder's is its name."""
        return self.name, self.is_folder, () if self.is_folder else _facts(self.status)

    def header(self) -> bytes:
        info = tarfile.TarInfo(self.name)
        info.type = tarfile.DIRTYPE if self.is_folder else tarfile.REGTYPE
        info.size = self.size_bytes
        return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def is_unpacked(folder: Path) -> bool:
    """Whether a folder is an artifact: it is named like an archive, or has parameters in it.

    Raises OSError if it is no folder, or cannot be read.
    """
    with os.scandir(folder) as entries:
        return folder.name.endswith(ARCHIVE_ENDING) or any(
            entry.name.endswith(PARAMS_ENDING) for entry in entries
        )


class Unpacked:
    """The artifact in `folder` as it is now, found by one walk.

    Raises ArtifactRejected (too many files, links that leave it, no plain files), OSError.
    """

    def __init__(self, folder: Path, most_files: int = MOST_FILES) -> None:
        self._folder = folder.resolve(strict=True)
        self._uri = str(folder)
        files = list(self._walk(most_files))
        self._files = sorted(files, key=lambda file: file.name)
        facts = repr([file.identity() for file in self._files])
        self.version = hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self.size_bytes = len(GZIP_HEAD) + GZIP_TAIL.size + sum(map(_stored_size, self._sizes()))

    def content(self) -> Generator[bytes, None, None]:
        """The archive, piece by piece. Raises StoreUnavailable if a file changes meanwhile."""
        yield GZIP_HEAD
        total, checksum = 0, 0
        for piece in self._pieces():
            total += len(piece)
            checksum = zlib.crc32(piece, checksum)
            yield _stored(piece, is_last=piece is END_OF_TAR)
        yield GZIP_TAIL.pack(checksum, total & 0xFFFFFFFF)

    def _pieces(self) -> Iterator[bytes]:
        """The tar; no piece is empty, nor larger than a block may be."""
        for file in self._files:
            yield file.header()
            if file.is_folder:
                continue
            yield from self._read(file)
            if padding := _padding(file.size_bytes):
                yield bytes(padding)
        yield END_OF_TAR

    def _sizes(self) -> Iterator[int]:
        """How large the pieces are, those of one content together."""
        for file in self._files:
            yield len(file.header())
            yield file.size_bytes
            yield _padding(file.size_bytes)
        yield len(END_OF_TAR)

    def _read(self, file: _File) -> Iterator[bytes]:
        try:
            # Not to hang on a FIFO, nor to be led away by a link, that came meanwhile.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(file.place, flags), "rb") as content:
                if _facts(os.fstat(content.fileno())) != _facts(file.status):
                    raise _Changed(self._uri)
                left = file.size_bytes
                while left:
                    piece = content.read(min(left, STORED_BYTES))
                    if not piece:
                        raise _Changed(self._uri)
                    left -= len(piece)
                    yield piece
        except FileNotFoundError:
            raise _Changed(self._uri) from None
        except OSError as error:
            raise StoreUnavailable(self._uri, error.strerror or type(error).__name__) from error

    def _walk(self, most_files: int) -> Iterator[_File]:
        found, waiting = 0, [self._folder]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    found += 1
                    if found > most_files:
                        raise self._refusal(f"it has more than {most_files} files and folders")
                    with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
                        file = self._file(entry)
                        if file.is_folder:
                            waiting.append(file.place)
                        yield file

    def _file(self, entry: os.DirEntry[str]) -> _File:
        place = type(self._folder)(entry.path)
        name = place.relative_to(self._folder).as_posix()
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            place = self._linked(name, place)
            status = place.lstat()
            if not stat.S_ISREG(status.st_mode):
                raise self._refusal(f"{name!r} is a link to what is no file")
        elif not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise self._refusal(f"{name!r} is neither file nor folder")
        return _File(name, place, status)

    def _linked(self, name: str, link: Path) -> Path:
        try:
            place = link.resolve(strict=True)
        except (OSError, RuntimeError):  # to nothing, or a loop
            raise self._refusal(f"{name!r} is a link to what is no file") from None
        if not place.is_relative_to(self._folder):
            raise self._refusal(f"{name!r} is a link that leads out of its folder")
        return place

    def _refusal(self, reason: str) -> ArtifactRejected:
        return ArtifactRejected(self._uri, reason)


class UnpackedContent:
    """What `Unpacked.content` gives, to be read like a file."""

    def __init__(self, unpacked: Unpacked) -> None:
        self._pieces = unpacked.content()
        self._ahead = bytearray()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        while size < 0 or len(self._ahead) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._ahead += piece
        size = len(self._ahead) if size < 0 else size
        given = bytes(self._ahead[:size])
        del self._ahead[:size]
        return given

    def close(self) -> None:
        """Let go of the file that is being read."""
        self._pieces.close()


class _Changed(StoreUnavailable):
    def __init__(self, uri: str) -> None:
        super().__init__(uri, "it has changed meanwhile; ask again")
        self.args = (uri,)


def _facts(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _padding(size_bytes: int) -> int:
    return -size_bytes % tarfile.BLOCKSIZE


def _stored_size(size_bytes: int) -> int:
    """What some bytes take in blocks that are not compressed."""
    return size_bytes + BLOCK_HEAD.size * -(-size_bytes // STORED_BYTES)


def _stored(piece: bytes, *, is_last: bool) -> bytes:
    return BLOCK_HEAD.pack(is_last, len(piece), len(piece) ^ 0xFFFF) + piece
