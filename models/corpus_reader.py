"""Corpora and other tables: CSV files with a header line, read row by row, never held whole.

What is wrong with a file is a CorpusError that names the row; what a family does with the texts is
its own business.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import CorpusError, shorten
from models.serving import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from models.serving import Progress

# More than any text has: without a limit, a quote that is never closed could read a gigabyte
# into one cell.
_MAX_FIELD_CHARS = 50_000_000
_SHOWN_CELL_CHARS = 60
_SHOWN_COLUMNS = 20


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one column, in file order and without blanks; each pass reads the file anew."""

    path: Path
    column: str
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[str]:
        for _, row in read_table(self.path, (self.column,)):
            if text := row[0].strip():
                yield text


@dataclass(frozen=True, slots=True)
class Corpus:
    """The texts of a column, and how many rows had none."""

    texts: Texts
    skipped_rows: int


def read_corpus(
    path: Path, column: str, progress: Progress = no_progress, title: str = "reading"
) -> Corpus:
    """Check the whole UTF-8 CSV `path` and find the texts in `column`; blank ones are skipped.

    Raises CorpusError if the file cannot be read, is no sound CSV or has no text in the column:
    better now than after an hour of training.
    """
    rows = texts = 0
    with progress(_size_bytes(path), "byte", title) as bar:
        for _, row in read_table(path, (column,), on_bytes=bar.update):
            rows += 1
            texts += bool(row[0].strip())
    if not texts:
        raise CorpusError(path, f"has no text in column {column!r} ({rows} rows)")
    return Corpus(Texts(path, column, texts), rows - texts)


def read_table(
    path: Path,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    on_bytes: Callable[[int], object] = lambda _: None,
) -> Iterator[tuple[int, list[str]]]:
    """Each row's number, from 1 below the header, and its cells in `columns` and then `optional`.

    A cell of an optional column that is not there is empty. Blank lines are no rows. `on_bytes`
    gets the number of bytes read since its last call. Raises CorpusError for a file that cannot be
    read, lacks one of `columns` or has a broken row.
    """
    csv.field_size_limit(_MAX_FIELD_CHARS)
    number = lines = told = 0
    try:
        with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as file:
            # Strict: otherwise a quote that is never closed would take in all that follows.
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            places = _places(path, header, columns, optional)
            lines = reader.line_num
            for row in reader:
                if row:
                    number += 1
                    where = f"row {number} (line {lines + 1})"
                    yield number, _cells(path, row, header, places, where)
                lines = reader.line_num
                if (reached := raw.tell()) > told:
                    on_bytes(reached - told)
                    told = reached
    except OSError as error:
        raise CorpusError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        found = shorten(error.object[error.start : error.start + 8])
        raise CorpusError(path, f"is not UTF-8 somewhere after row {number}: {found}") from error
    except csv.Error as error:
        raise CorpusError(
            path, f"is not CSV at row {number + 1} (line {lines + 1}): {error}"
        ) from error


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading it will say why


def _places(
    path: Path, header: Sequence[str], columns: Sequence[str], optional: Sequence[str]
) -> list[int | None]:
    """Where each wanted column is in a row."""
    names = [name.strip() for name in header]
    for column in columns:
        if column not in names:
            found = ", ".join(name[:_SHOWN_CELL_CHARS] for name in names[:_SHOWN_COLUMNS]) or "none"
            raise CorpusError(path, f"has no column {column!r}; its columns: {found}")
    return [names.index(name) if name in names else None for name in (*columns, *optional)]


def _cells(
    path: Path, row: Sequence[str], header: Sequence[str], places: Sequence[int | None], where: str
) -> list[str]:
    if len(row) > len(header):
        raise CorpusError(
            path,
            f"{where} has {len(row)} cells, the header {len(header)}: a text with commas must be"
            f" in quotes; the row begins {shorten(row[0], _SHOWN_CELL_CHARS)}",
        )
    # Cells left out at a row's end are empty, as most programs that write CSV mean it.
    cells = [row[place] if place is not None and place < len(row) else "" for place in places]
    if any("\0" in cell for cell in cells):
        raise CorpusError(path, f"{where} holds a NUL byte: the file is damaged or no text")
    return cells
