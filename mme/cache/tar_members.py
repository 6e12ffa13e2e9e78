"""Reading a tar's headers when they may be hostile: what `tarfile` lets pass and should not.

`tarfile` takes a damaged or missing header behind the first member for the end, keeps extended
headers of any size in memory, and believes negative sizes. Here each of these is an error, and so
are sparse members, whose maps would let a few bytes stand for terabytes.
"""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.cache.gunzip import GzipReader

HEADER_BYTES = 1024 * 1024
BUFFER_BYTES = 32 * 1024
CHECK_BYTES = 1024 * 1024
LABEL_TYPE = b"V"
PLAIN_TYPES = (
    tarfile.REGTYPE,
    tarfile.AREGTYPE,
    tarfile.CONTTYPE,
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
)


class StrictTarInfo(tarfile.TarInfo):
    """A member whose header is right, or an error."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """The next member; raises ReadError unless there is one or the mark of the end."""
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"a header is missing or damaged: {error}") from None

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0:
            raise tarfile.ReadError(f"member {self.name!r} has the size {self.size}")
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._refuse_sparse()
        if self.type not in PLAIN_TYPES and self.size > HEADER_BYTES:
            raise tarfile.ReadError(f"an extended header of {self.size} bytes")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        # An extended header may have said another size.
        if member.size < 0:
            raise tarfile.ReadError(f"member {member.name!r} has the size {member.size}")
        return member

    def _proc_gnusparse_00(self, *_: Any) -> NoReturn:
        self._refuse_sparse()

    def _proc_gnusparse_01(self, *_: Any) -> NoReturn:
        self._refuse_sparse()

    def _proc_gnusparse_10(self, *_: Any) -> NoReturn:
        self._refuse_sparse()

    def _refuse_sparse(self) -> NoReturn:
        raise tarfile.ReadError(f"member {self.name!r} is sparse")


class TarStream:
    """The members of the tar in `source`, one after the other."""

    def __init__(self, source: GzipReader) -> None:
        self._archive: tarfile.TarFile = tarfile.open(  # type: ignore[call-overload] # noqa: SIM115
            fileobj=source, mode="r|", bufsize=BUFFER_BYTES, tarinfo=StrictTarInfo
        )

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Each member, labels of volumes left out; then nothing but zeros may follow."""
        while (member := self._archive.next()) is not None:
            if member.type != LABEL_TYPE:
                yield member
            self._archive.members.clear()  # type: ignore[attr-defined] # it keeps all it has seen
        # To the end, so that the checksum is read as well.
        while rest := self._archive.fileobj.read(CHECK_BYTES):
            if rest.count(0) != len(rest):
                raise tarfile.ReadError("something follows its end")

    def content(self, member: tarfile.TarInfo) -> Any:
        """A file's content, to be read before the next member is asked for."""
        return self._archive.extractfile(member)
