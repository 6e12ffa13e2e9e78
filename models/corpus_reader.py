"""Corpora and other tables: CSV files with a header line, read row by row, never held whole.

What is wrong with a file is a CorpusError that names the row; how it is written is for `tables`,
what a family does with the texts its own business.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from models.errors import CorpusError, shorten
from models.serving import no_progress
from models.tables import COMMA, Form, find_places, names_of, opened, recognise, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from models.serving import Progress
    from models.tables import Told

_SHOWN_CELL_CHARS = 60
_NO_WORDS = frozenset({"nan", "none", "null", "n/a", "#n/a"})
_LONGEST_NO_WORD = max(map(len, _NO_WORDS))


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one column, in file order and without blanks; each pass reads the file anew."""

    path: Path
    column: str
    count: int
    form: Form = field(default_factory=Form)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[str]:
        for _, row in read_table(self.path, (self.column,), form=self.form):
            if text := row[0].strip():
                yield text


@dataclass(frozen=True, slots=True)
class Corpus:
    """The texts of a column, how many rows had none, and in how many it says only `NaN`."""

    texts: Texts
    skipped_rows: int
    rows_without_words: int = 0


def says_nothing(text: str) -> bool:
    """Whether a text is only what programs write where there is none: `NaN`, `None`, `null`."""
    return len(text) <= _LONGEST_NO_WORD and text.lower() in _NO_WORDS


def read_corpus(
    path: Path,
    column: str,
    progress: Progress = no_progress,
    title: str = "reading",
    *,
    told: Told | None = None,
    advice: str = "",
) -> Corpus:
    """Check the whole CSV `path` and find the texts in `column`; blank ones are skipped.

    Raises CorpusError if the file cannot be read, is no sound CSV or has no text in the column
    (`advice` is added if there is no such column): better now than after an hour of training.
    """
    form = recognise(path, (column,), told)
    rows = texts = without_words = 0
    with progress(size_bytes(path), "byte", title) as bar:
        cells = read_table(path, (column,), on_bytes=bar.update, form=form, advice=advice)
        for _, (cell,) in cells:
            text = cell.strip()
            rows += 1
            texts += bool(text)
            without_words += says_nothing(text)
    if not texts:
        raise CorpusError(path, f"has no text in column {column!r} ({rows} rows)")
    return Corpus(Texts(path, column, texts, form), rows - texts, without_words)


def read_table(
    path: Path,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    on_bytes: Callable[[int], object] = lambda _: None,
    *,
    form: Form | None = None,
    advice: str = "",
) -> Iterator[tuple[int, list[str]]]:
    """Each row's number, from 1 below the header, and its cells in `columns` and then `optional`.

    A cell of an optional column that is not there is empty. Blank lines are no rows. `on_bytes`
    gets the number of bytes read since its last call. How the file is written is recognised unless
    its `form` is given. Raises CorpusError for a file that cannot be read, lacks one of `columns`
    (`advice` is added then) or has a broken row.
    """
    form = form or recognise(path, columns)
    number = told = 0
    lines = form.skipped_lines
    try:
        with opened(path, form) as (raw, reader):
            header: list[str] = next(reader, [])
            form = replace(form, header=names_of(header))  # a long one was not read to its end
            places = find_places(path, form, columns, optional, advice)
            lines = form.skipped_lines + reader.line_num
            for row in reader:
                if row:
                    number += 1
                    where = f"row {number} (line {lines + 1})"
                    if len(row) > len(header):
                        raise CorpusError(path, _too_long(row, header, form, where))
                    yield number, _cells(path, row, places, where)
                lines = form.skipped_lines + reader.line_num
                if (reached := raw.tell()) > told:
                    on_bytes(reached - told)
                    told = reached
    except OSError as error:
        raise CorpusError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        found = shorten(error.object[error.start : error.start + 8])
        raise CorpusError(
            path, f"is not {shown(form.encoding)} somewhere after row {number}: {found}"
        ) from error
    except csv.Error as error:
        raise CorpusError(
            path, f"is not CSV at row {number + 1} (line {lines + 1}): {error}"
        ) from error


def size_bytes(path: Path) -> int:
    """The size of a file for a progress bar; 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading it will say why


def _too_long(row: Sequence[str], header: Sequence[str], form: Form, where: str) -> str:
    what = "commas" if form.separator == COMMA else f"{form.separator!r}"
    return (
        f"{where} has {len(row)} cells, the header {len(header)}: a text with {what} must be"
        f" in quotes; the row begins {shorten(row[0], _SHOWN_CELL_CHARS)}"
    )


def _cells(path: Path, row: Sequence[str], places: Sequence[int | None], where: str) -> list[str]:
    # Cells left out at a row's end are empty, as most programs that write CSV mean it.
    cells = [row[place] if place is not None and place < len(row) else "" for place in places]
    if any("\0" in cell for cell in cells):
        raise CorpusError(path, f"{where} holds a NUL byte: the file is damaged or no text")
    return cells
