"""Charsets: which one a name means, and which one a file of text is in.

Names are looked up in lists, never by Python, which would try to import what it does not know and
remember the name for ever. Requests take the charsets of `REQUEST_CHARSETS`, files those of
`FILE_CHARSETS`. A file without a signature is UTF-8 if all of it is. If it is not, it is taken for
Windows' Western European charset, unless it looks more like damaged UTF-8 or no text at all: these
are errors, as nothing should be read wrongly in silence.
"""

from __future__ import annotations

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import TYPE_CHECKING

from models.errors import CorpusError, shorten

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

UTF_8, UTF_16, WINDOWS = "utf-8-sig", "utf-16", "cp1252"
"""Python's names; the first two read a byte-order mark, and the first needs none."""
# Only these: some of Python's codecs are not from bytes to text, and some give invalid text.
REQUEST_CHARSETS = frozenset(
    {"utf_8", "utf_8_sig", "ascii", "latin_1", "iso8859_1", "iso8859_15", "cp1252", "utf_16",
     "utf_16_le", "utf_16_be"}
)  # fmt: skip
FILE_CHARSETS = REQUEST_CHARSETS | {"cp437", "cp850", "cp1250", "iso8859_2", "mac_roman"}
_SIGNATURES = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file: save it as CSV"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    (b"%PDF", "a PDF"),
)
_BLOCK_BYTES = 1024 * 1024
_ESCAPED = re.compile("[\udc80-\udcff]")
_CHARACTERS = re.compile("[^\0-\x7f\udc80-\udcff]")
_MANY = 10
"""So many bytes that are no UTF-8 for each character that is: then it is no damaged UTF-8. Letters
of another charset make up a character of UTF-8 now and then."""


def spellings(modules: Collection[str]) -> dict[str, str]:
    """Each name Python knows for one of the codecs in `modules` -> the charset's own name."""
    return {
        name.replace(".", "_"): codecs.lookup(module).name
        for name, module in (*aliases.items(), *((name, name) for name in modules))
        if module in modules
    }


_OF_FILES = spellings(FILE_CHARSETS)


def file_charset(name: str) -> str | None:
    """The codec to read a file with that is in the charset `name`; None if it is not known."""
    found = _OF_FILES.get(normalize_encoding(name.strip().lower()).replace(".", "_"))
    return UTF_8 if found == "utf-8" else found


def find_charset(path: Path) -> str:
    """The codec to read the file with. Raises CorpusError where that is not clear, and OSError."""
    with path.open("rb") as file:
        head = file.read(4)
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise CorpusError(path, f"is {what}")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return UTF_16
    # A header line begins with letters: in UTF-16 every second byte of them is a zero.
    match [byte == 0 for byte in head]:
        case [False, True, False, True]:
            return "utf-16-le"
        case [True, False, True, False]:
            return "utf-16-be"
    return UTF_8 if _is_utf_8(path) else _not_utf_8(path)


def _is_utf_8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _not_utf_8(path: Path) -> str:
    """The charset of a file that is not UTF-8 throughout. Raises CorpusError."""
    as_utf_8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    as_windows = codecs.getincrementaldecoder(WINDOWS)()
    wrong = right = place = 0
    first: bytes | None = None
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            text = as_utf_8.decode(block)
            if first is None and (found := _ESCAPED.search(text)):
                first = text[found.start() : found.start() + 8].encode("utf-8", "surrogateescape")
            wrong += len(_ESCAPED.findall(text))
            right += len(_CHARACTERS.findall(text))
            try:
                as_windows.decode(block)
            except UnicodeDecodeError as error:
                raise CorpusError(
                    path,
                    f"is neither UTF-8 ({shorten(first or block[-1:])}) nor {WINDOWS}"
                    f" (byte {place + error.start} is {error.object[error.start]:#04x}):"
                    " tell its encoding",
                ) from error
            place += len(block)
    if right * _MANY > wrong:
        raise CorpusError(
            path,
            f"is not UTF-8 ({shorten(first or b'')}), but {right} characters in it are:"
            " it is damaged, or of two encodings; or tell its encoding",
        )
    return WINDOWS
