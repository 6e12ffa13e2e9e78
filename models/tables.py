"""Tables: how a CSV file is written, as told or as recognised, and where its columns are.

People's files have semicolons, tabs or bars instead of commas, other charsets (`charsets`), headers
in any case, Excel's first line `sep=;`. What was not told is recognised by the header line: it is
separated by commas if that gives the wanted columns, else by what does. Rows are for
`corpus_reader`.
"""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.charsets import FILE_CHARSETS, UTF_8, WINDOWS, file_charset, find_charset
from models.errors import ArtifactError, CorpusError, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from models.params import Params

log = logging.getLogger(__name__)

COMMA = ","
OTHERS = (";", "\t", "|")
_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "pipe": "|"}
_HEAD_CHARS = 256 * 1024
_EXCELS_LINE = re.compile('"?sep=([,;|\t])"?\r?\n', re.IGNORECASE)
_SHOWN_CELL_CHARS, _SHOWN_COLUMNS = 60, 20
# More than any text has: without a limit, a quote that is never closed could read a gigabyte
# into one cell.
MAX_FIELD_CHARS = 50_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody has said of how a file is written; None: it is to be recognised."""

    separator: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written, and its header's names without white space around them."""

    encoding: str = UTF_8
    separator: str = COMMA
    skipped_lines: int = 0
    """Lines before the header."""
    header: tuple[str, ...] = ()

    def __str__(self) -> str:
        separator = "tabs" if self.separator == "\t" else repr(self.separator)
        return f"{shown(self.encoding)} with {separator}"


def told_by(params: Params) -> Told:
    """What the parameters `separator` and `encoding` say. Raises ArtifactError."""
    told = {}
    for key in ("separator", "encoding"):
        value = params.values.get(key)
        if value is not None and not isinstance(value, str):
            raise ArtifactError(params.file, f"{key} is {shorten(value)}: it must be a string")
        told[key] = value or None
    try:
        return check_told(told["separator"], told["encoding"])
    except ValueError as error:
        raise ArtifactError(params.file, str(error)) from error


def check_told(separator: str | None, encoding: str | None) -> Told:
    """The two as they are used; ValueError says what else there is."""
    if separator is not None:
        separator = _NAMES.get(separator.lower(), separator)
        if len(separator) != 1 or separator.isalnum() or separator in "\"'\r\n\0 _":
            raise ValueError(
                f"separator is {shorten(separator, 40)}: it must be one character such as"
                " , ; | or tab"
            )
    if encoding is not None and file_charset(encoding) is None:
        raise ValueError(
            f"encoding is {shorten(encoding, 40)}: it must be one of"
            f" {', '.join(sorted(name.replace('_', '-') for name in FILE_CHARSETS))}"
        )
    return Told(separator, None if encoding is None else file_charset(encoding))


def recognise(
    path: Path, columns: Sequence[str], told: Told | None = None, *, is_said: bool = True
) -> Form:
    """How the file is written whose header has `columns`; it is logged if it is no plain CSV.

    Raises CorpusError if it cannot be read. Columns that are missing are for `find_places`.
    """
    told = told or Told()
    try:
        encoding = told.encoding or find_charset(path)
        with path.open("rb") as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
            head = file.read(_HEAD_CHARS).removeprefix("\ufeff")
    except OSError as error:
        raise CorpusError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(path, f"is not {shown(encoding)}: {error.reason}") from error
    except UnicodeError as error:  # UTF-16 without a mark
        raise CorpusError(path, f"is not {shown(encoding)}: {error}") from error
    excels = _EXCELS_LINE.match(head)
    if excels:
        head = head[excels.end() :]
    separator = told.separator or (excels[1] if excels else _separator(head, columns))
    form = Form(encoding, separator, 1 if excels else 0, names_of(_header(head, separator)))
    if is_said:
        _tell(path, form, told)
    return form


def _tell(path: Path, form: Form, told: Told) -> None:
    if form.encoding == WINDOWS and told.encoding is None:
        log.warning("%s: is not UTF-8; read as %s. If letters are wrong, tell its encoding",
                    path.name, form)  # fmt: skip
    elif (form.encoding, form.separator) != (UTF_8, COMMA):
        log.info("%s: read as %s", path.name, form)


@contextlib.contextmanager
def opened(path: Path, form: Form) -> Iterator[tuple[BinaryIO, Any]]:
    """The open file, and the `csv.reader` of it that comes to the header next.

    Faults of the file come as they are: OSError, UnicodeDecodeError, csv.Error.
    """
    csv.field_size_limit(MAX_FIELD_CHARS)
    with path.open("rb") as raw, io.TextIOWrapper(raw, form.encoding, newline="") as file:
        for _ in range(form.skipped_lines):
            file.readline()
        # Strict: otherwise a quote that is never closed would take in all that follows.
        yield raw, csv.reader(file, delimiter=form.separator, strict=True)


def find_places(
    path: Path, form: Form, columns: Sequence[str], optional: Sequence[str] = (), advice: str = ""
) -> list[int | None]:
    """Where each column is in a row; None for an optional one that is not there.

    Raises CorpusError for one of `columns` that is missing, followed by `advice`.
    """
    found = [find_column(path, form.header, name) for name in (*columns, *optional)]
    for column, place in zip(columns, found, strict=False):
        if place is None:
            names = ", ".join(name[:_SHOWN_CELL_CHARS] for name in form.header[:_SHOWN_COLUMNS])
            read_as = "" if (form.encoding, form.separator) == (UTF_8, COMMA) else f" (as {form})"
            raise CorpusError(
                path,
                f"has no column {column!r}; its columns{read_as}: {names or 'none'}"
                f"{advice and f'. {advice}'}",
            )
    return found


def find_column(path: Path, header: Sequence[str], wanted: str) -> int | None:
    """Where the column is: of just this name, else of one that differs in case, blanks or hyphens.

    Raises CorpusError where several are alike.
    """
    if wanted in header:
        return header.index(wanted)
    alike = [place for place, name in enumerate(header) if _folded(name) == _folded(wanted)]
    if len(alike) > 1:
        names = " and ".join(repr(header[place]) for place in alike[:2])
        raise CorpusError(path, f"has several columns that may be {wanted!r}: {names}")
    return alike[0] if alike else None


def names_of(header: Sequence[str]) -> tuple[str, ...]:
    """A header's cells as names."""
    return tuple(name.removeprefix("\ufeff").strip() for name in header)


def _separator(head: str, columns: Sequence[str]) -> str:
    """What separates the wanted columns; else what makes most columns."""
    wanted = {_folded(name) for name in columns}
    headers = {each: _header(head, each) for each in (COMMA, *OTHERS)}
    for separator, names in headers.items():
        if wanted <= {_folded(name) for name in names}:
            return separator
    return max(headers, key=lambda each: len(headers[each]))


def _header(head: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(head, newline=""), delimiter=separator, strict=True), [])
    except csv.Error:
        return []


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip()).casefold()


def shown(encoding: str) -> str:
    """The name of a codec for people."""
    return "UTF-8" if encoding == UTF_8 else encoding
