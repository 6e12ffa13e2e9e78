"""Reading a tar that may be hostile: its members in order, in the forms of v7, ustar, GNU and pax.

Reads a byte once, keeps one header at a time, and believes nothing that it cannot check: `tarfile`
takes a damaged header behind the first member for the end, copies the headers for all members for
each member, and lets a few bytes make it fail in many ways. Of extended headers only name, link and
size count. Sparse members are refused, whose maps would let a few bytes stand for terabytes. Leaves
what a member may be called, and what it may be, to `extract.py`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 512
HEADER_BYTES = 1024 * 1024
"""Most bytes of one extended header."""
RECORD_BYTES = 32
"""What a record counts beside its bytes, since the shortest ones take the most time."""
SKIPPED_BYTES = 1024 * 1024
LENGTH_DIGITS = 8
"""More than the length of a record in an extended header can have."""
NAME, SIZE, CHECKSUM = slice(0, 100), slice(124, 136), slice(148, 156)
TYPE, LINK, MAGIC, PREFIX = slice(156, 157), slice(157, 257), slice(257, 263), slice(345, 500)
POSIX_MAGIC = b"ustar\0"
"""Others have times where POSIX has the beginning of a long name."""
PAX_TYPES, PAX_FOR_ALL, LONG_NAME, LONG_LINK = (b"x", b"X"), b"g", b"L", b"K"
LABEL, SPARSE, DUMPED_FOLDER = b"V", b"S", b"D"
PATH, LINK_PATH, SIZE_RECORD = b"path", b"linkpath", b"size"
SPARSE_RECORDS = b"GNU.sparse."
OCTAL = re.compile(rb" *([0-7]*)(?:[ \0].*)?", re.DOTALL)
BASE_256 = 0x80


class DamagedTar(ValueError):
    """It is no tar, or not a whole one; says what is wrong."""


class Kind(enum.Enum):
    """What a member is."""

    FILE = enum.auto()
    FOLDER = enum.auto()
    HARD_LINK = enum.auto()
    SYMBOLIC_LINK = enum.auto()
    OTHER = enum.auto()


KINDS = {
    b"\0": Kind.FILE,
    b"0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMBOLIC_LINK,
    b"5": Kind.FOLDER,
    DUMPED_FOLDER: Kind.FOLDER,
}


@dataclass(frozen=True, slots=True)
class Member:
    """What a header says; bytes that are no UTF-8 are surrogates in its names."""

    name: str
    kind: Kind
    size_bytes: int
    linkname: str


class Source(Protocol):
    """Where a tar comes from."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer only at the end."""


class TarStream:
    """The members of the tar in `source`, and the content of the present one. Raises DamagedTar.

    All extended headers together may have `most_extended_bytes`.
    """

    def __init__(self, source: Source, most_extended_bytes: int) -> None:
        self._source = source
        self._extended_left = most_extended_bytes
        self._for_all: dict[bytes, bytes] = {}
        self._content_left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        """Each member, labels of volumes left out; then nothing but zeros may follow."""
        extended: dict[bytes, bytes] = {}
        while (header := self._next_header()) is not None:
            kind = header[TYPE]
            if kind in PAX_TYPES:
                self._add_records(extended, header)
            elif kind == PAX_FOR_ALL:
                self._add_records(self._for_all, header)
            elif kind == LONG_NAME:
                extended[PATH] = _string(self._extended(header))
            elif kind == LONG_LINK:
                extended[LINK_PATH] = _string(self._extended(header))
            elif kind == LABEL:
                self._extended(header)
            else:
                yield self._member(header, self._for_all | extended)
                extended = {}
        if extended:
            _refuse("nothing follows an extended header")
        while rest := self._source.read(SKIPPED_BYTES):
            if rest.count(0) != len(rest):
                _refuse("something follows its end")

    def read(self, size: int) -> bytes:
        """More of the present member's content; nothing at its end."""
        data = self._exactly(min(size, self._content_left))
        self._content_left -= len(data)
        return data

    def _next_header(self) -> bytes | None:
        """The header behind the present content; None at the mark of the end."""
        while self.read(SKIPPED_BYTES):
            pass
        self._exactly(self._padding)
        self._padding = 0
        header = self._source.read(BLOCK_BYTES)
        if not header:
            _refuse("a header is missing, or the mark of the end")
        if len(header) < BLOCK_BYTES:
            _refuse("it ends within a header")
        if header.count(0) == BLOCK_BYTES:
            return None
        _check(header)
        return header

    def _extended(self, header: bytes) -> bytes:
        size = _number(header[SIZE], "size")
        if size > HEADER_BYTES:
            _refuse(f"an extended header has {size} bytes")
        self._spend(BLOCK_BYTES + size)
        self._begin_content(size)
        return self.read(size)

    def _add_records(self, values: dict[bytes, bytes], header: bytes) -> None:
        self._spend(RECORD_BYTES * _add_records(values, self._extended(header)))

    def _spend(self, extended_bytes: int) -> None:
        self._extended_left -= extended_bytes
        if self._extended_left < 0:
            _refuse("its extended headers are too large")

    def _member(self, header: bytes, extended: dict[bytes, bytes]) -> Member:
        name = extended.get(PATH) or _name(header)
        shown = name[:BLOCK_BYTES].decode("utf-8", "surrogateescape")
        if header[TYPE] == SPARSE or SPARSE_RECORDS in extended:
            _refuse(f"member {shown!r} is sparse")
        kind = KINDS.get(header[TYPE], Kind.OTHER)
        size = _number(header[SIZE], f"size of {shown!r}")
        if SIZE_RECORD in extended:
            size = _decimal(extended[SIZE_RECORD], f"size of {shown!r}")
        # Of the others some programs say a size, but none lets content follow.
        self._begin_content(size if kind is Kind.FILE or header[TYPE] == DUMPED_FOLDER else 0)
        if kind is Kind.FILE and name.endswith(b"/"):
            kind = Kind.FOLDER  # as programs did before folders had a type
        link = extended.get(LINK_PATH) or _string(header[LINK])
        return Member(
            name.decode("utf-8", "surrogateescape"),
            kind,
            self._content_left if kind is Kind.FILE else 0,
            link.decode("utf-8", "surrogateescape"),
        )

    def _begin_content(self, size: int) -> None:
        self._content_left, self._padding = size, -size % BLOCK_BYTES

    def _exactly(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            _refuse("it ends within a member")
        return data


def _add_records(values: dict[bytes, bytes], content: bytes) -> int:
    """Add what counts of an extended header's records; an empty value takes one back.

    Returns how many records there are.
    """
    place = count = 0
    while place < len(content):
        space = content.find(b" ", place, place + LENGTH_DIGITS)
        digits = content[place : max(place, space)]
        end = place + int(digits) if digits.isdigit() else 0
        if not space < end <= len(content) or content[end - 1 : end] != b"\n":
            if not content[place:].strip(b"\0"):
                break
            _refuse("a record of an extended header has the wrong length")
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if not equals:
            _refuse("a record of an extended header has no value")
        if key.startswith(SPARSE_RECORDS):
            values[SPARSE_RECORDS] = value
        elif key in (PATH, LINK_PATH, SIZE_RECORD):
            values[key] = value
            if not value:
                del values[key]
        place = end
        count += 1
    return count


def _check(header: bytes) -> None:
    wanted = _number(header[CHECKSUM], "checksum")
    rest = header[:148] + b" " * 8 + header[156:]
    found = sum(rest)
    if wanted != found:
        # Some programs add up bytes as numbers with a sign.
        negative = sum(byte > 127 for byte in rest)  # noqa: PLR2004
        if wanted != found - 256 * negative:
            _refuse("the checksum of a header is wrong")


def _name(header: bytes) -> bytes:
    name = _string(header[NAME])
    prefix = _string(header[PREFIX]) if header[MAGIC] == POSIX_MAGIC else b""
    return prefix + b"/" + name if prefix else name


def _string(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, what: str) -> int:
    """A number in octal digits, or base 256 where the first byte says so."""
    if field[0] == BASE_256:
        return int.from_bytes(field[1:], "big")
    found = OCTAL.fullmatch(field)
    if found is None:
        _refuse(f"the {what} is {field!r}")
    return int(found[1] or b"0", 8)


def _decimal(text: bytes, what: str) -> int:
    if not (text.isdigit() and len(text) < 20):  # noqa: PLR2004 - 64 bits have no more
        _refuse(f"the {what} is {text[:64]!r}")
    return int(text)


def _refuse(reason: str) -> NoReturn:
    raise DamagedTar(reason)
