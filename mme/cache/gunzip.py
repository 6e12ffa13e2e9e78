"""Decompressing gzip that may be hostile, as a stream: whole or refused, as `gzip -t` says.

Any number of members is read, each with its checksum and length; zero bytes may follow the last
one. zlib skips the fields of a member's header without keeping them; input that yields nothing has
a bound, which bounds such fields and long rows of empty members too.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from mme.core.errors import ArtifactRejected

if TYPE_CHECKING:
    from typing import BinaryIO, NoReturn

MAGIC = b"\x1f\x8b"
GZIP = 16 + zlib.MAX_WBITS
INPUT_BYTES = 64 * 1024
OUTPUT_BYTES = 256 * 1024
MOST_BARREN_BYTES = 1024 * 1024
"""Most compressed bytes in a row that may yield nothing."""


class GzipReader:
    """Reads what is in the gzip stream `source`. Raises ArtifactRejected, which names `uri`.

    `most_read_bytes` bounds the compressed form, `most_bytes` what comes out.
    """

    def __init__(self, source: BinaryIO, uri: str, most_read_bytes: int, most_bytes: int) -> None:
        self._source = source
        self._uri = uri
        self._most_read_bytes = most_read_bytes
        self._most_bytes = most_bytes
        self._barren_bytes = 0
        self._made_bytes = 0
        self._output = memoryview(b"")
        self._input = b""
        self._member = zlib.decompressobj(GZIP)
        self._is_within_member = True
        self._has_more = False
        self.read_bytes = 0
        """How much of the compressed form has been read."""
        self._fill()
        if self._input[:2] != MAGIC:
            begin = self._input[:2]
            self._refuse(f"is not gzip: it begins with {begin!r}" if begin else "is empty")

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        parts: list[memoryview] = []
        wanted = size
        while wanted > 0 and (self._output or self._decompress()):
            part = self._output[:wanted]
            self._output = self._output[len(part) :]
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _decompress(self) -> bool:
        """Have some output ready; False at the end of the stream."""
        while True:
            if not (self._input or self._has_more or self._fill()):
                if self._is_within_member:
                    self._refuse("is damaged or cut off (it ends within its compressed data)")
                return False
            if not self._is_within_member and not self._begin_member():
                continue
            before = len(self._input)
            try:
                made = self._member.decompress(self._input, OUTPUT_BYTES)
            except zlib.error as error:
                self._refuse(f"is damaged or cut off ({error})")
            # Then zlib may hold more, even where it has taken all of the input.
            self._has_more = len(made) == OUTPUT_BYTES
            self._input = self._member.unconsumed_tail
            if self._member.eof:
                self._input = self._member.unused_data
                self._is_within_member = self._has_more = False
            self._barren_bytes = 0 if made else self._barren_bytes + before - len(self._input)
            if self._barren_bytes > MOST_BARREN_BYTES:
                self._refuse(f"holds more than {MOST_BARREN_BYTES} bytes that say nothing")
            if made:
                self._made_bytes += len(made)
                if self._made_bytes > self._most_bytes:
                    self._refuse(f"is larger than {self._most_bytes} bytes when decompressed")
                self._output = memoryview(made)
                return True

    def _begin_member(self) -> bool:
        """Begin the next member behind one that has ended; False if only zero bytes were there."""
        if self._input[0] == 0 and not self._input.strip(b"\0"):
            self._input = b""
            return False
        self._member = zlib.decompressobj(GZIP)
        self._is_within_member = True
        return True

    def _fill(self) -> bool:
        self._input = self._source.read(INPUT_BYTES)
        self.read_bytes += len(self._input)
        if self.read_bytes > self._most_read_bytes:
            self._refuse(f"is larger than {self._most_read_bytes} bytes")
        return bool(self._input)

    def _refuse(self, what: str) -> NoReturn:
        raise ArtifactRejected(self._uri, f"the archive {what}")
