"""The records of an input, as its bytes come: lines, RecordIO, TFRecord, or all of it as one.

Nothing is held but the record at hand, and none larger than a payload may be. The binary framings
are those that MXNet and TensorFlow document; a length or a checksum that is wrong is BadInput.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from mme.jobs.transform.crc32c import masked_crc32c
from mme.jobs.transform.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NONE, LINE, RECORD_IO, TF_RECORD = "None", "Line", "RecordIO", "TFRecord"
SPLIT_TYPES = (NONE, LINE, RECORD_IO, TF_RECORD)
RECORD_IO_MAGIC = 0xCED7230A
MAGIC = struct.pack("<I", RECORD_IO_MAGIC)
LENGTH_BITS = 29
WHOLE, FIRST, MIDDLE, LAST = range(4)
"""What part of a record a piece of RecordIO is: the magic number stood where pieces meet."""


class Record(NamedTuple):
    """One record: with what separates it from others, for many together, and without."""

    framed: bytes
    bare: bytes


def split(chunks: Iterable[bytes], split_type: str, limit_bytes: int) -> Iterator[Record]:
    """The records of what `chunks` are together. Raises BadInput."""
    return SPLITTERS[split_type](chunks, limit_bytes)


def _whole(chunks: Iterable[bytes], limit_bytes: int) -> Iterator[Record]:
    parts, held = [], 0
    for chunk in chunks:
        held += len(chunk)
        if held > limit_bytes:
            raise BadInput(
                f"it is larger than the {limit_bytes} bytes a payload may have; raise"
                " MaxPayloadInMB, or set SplitType"
            )
        parts.append(chunk)
    if held:
        content = b"".join(parts)
        yield Record(content, content)


def _lines(chunks: Iterable[bytes], limit_bytes: int) -> Iterator[Record]:
    """Lines without those that are empty: models make nothing of them."""
    number, pieces, held = 1, list[bytes](), 0
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            if held + len(piece) >= limit_bytes:
                raise _too_large(f"line {number}", limit_bytes)
            line = b"".join((*pieces, piece)) if pieces else piece
            pieces, held = [], 0
            number += 1
            if line.strip():
                yield Record(line + b"\n", line)
        held += len(rest)
        if held > limit_bytes:
            raise _too_large(f"line {number}", limit_bytes)
        if rest:
            pieces.append(rest)
    if (line := b"".join(pieces)).strip():
        yield Record(line + b"\n", line)


def _record_io(chunks: Iterable[bytes], limit_bytes: int) -> Iterator[Record]:
    source = _Source(chunks)
    number = 1
    while not source.is_at_end():
        where = f"record {number}"
        frames, pieces, held = list[bytes](), list[bytes](), 0
        while True:
            head = source.take(8, where)
            magic, word = struct.unpack("<II", head)
            kind, length = word >> LENGTH_BITS, word & ((1 << LENGTH_BITS) - 1)
            if magic != RECORD_IO_MAGIC:
                raise BadInput(f"{where} does not begin with RecordIO's magic number")
            if kind not in ((MIDDLE, LAST) if frames else (WHOLE, FIRST)):
                raise BadInput(f"{where} has a piece out of order")
            padded = length + -length % 4
            held += len(head) + padded
            if held > limit_bytes:
                raise _too_large(where, limit_bytes)
            body = source.take(padded, where)
            frames += (head, body)
            pieces.append(body[:length])
            if kind in (WHOLE, LAST):
                break
        yield Record(b"".join(frames), MAGIC.join(pieces))
        number += 1


def _tf_record(chunks: Iterable[bytes], limit_bytes: int) -> Iterator[Record]:
    source = _Source(chunks)
    number = 1
    while not source.is_at_end():
        where = f"record {number}"
        head = source.take(12, where)
        length, length_crc = struct.unpack("<QI", head)
        if masked_crc32c(head[:8]) != length_crc:
            raise BadInput(f"the length of {where} does not fit its checksum")
        if length + 16 > limit_bytes:
            raise _too_large(where, limit_bytes)
        body = source.take(length + 4, where)
        data = body[:length]
        if masked_crc32c(data) != struct.unpack("<I", body[length:])[0]:
            raise BadInput(f"{where} does not fit its checksum")
        yield Record(head + body, data)
        number += 1


SPLITTERS: dict[str, Callable[[Iterable[bytes], int], Iterator[Record]]] = {
    NONE: _whole,
    LINE: _lines,
    RECORD_IO: _record_io,
    TF_RECORD: _tf_record,
}


class _Source:
    """Bytes taken by number from chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = b""
        self._at = 0

    def is_at_end(self) -> bool:
        while self._at == len(self._chunk):
            following = next(self._chunks, None)
            if following is None:
                return True
            self._chunk, self._at = following, 0
        return False

    def take(self, count: int, where: str) -> bytes:
        """The next `count` bytes. Raises BadInput if there are fewer."""
        parts = []
        while count:
            if self.is_at_end():
                raise BadInput(f"{where} is cut off: the input ends within it")
            part = self._chunk[self._at : self._at + count]
            self._at += len(part)
            count -= len(part)
            parts.append(part)
        return b"".join(parts)


def _too_large(where: str, limit_bytes: int) -> BadInput:
    return BadInput(f"{where} is larger than the {limit_bytes} bytes a payload may have")
