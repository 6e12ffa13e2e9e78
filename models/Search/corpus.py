"""The documents of a corpus: every column of a CSV with a header line, row by row.

A row is skipped if it has neither title nor text, or is the same in all columns as one before. Rows
without an id get one from their number. Two rows may share an id; both are kept, as they are.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.corpus_reader import read_table, says_nothing
from models.errors import CorpusError, shorten
from models.tables import Form, find_column, find_places, recognise, told_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from models.params import Params
    from models.serving import ProgressBar

RESERVED = ("id", "score", "relevance", "words", "explain")
"""Keys that answers use themselves; no column but the id's may have such a name."""
ID_COLUMNS = ("id", "doc_id")
"""The columns that may hold the ids, if `id_column` does not name one."""
ADVICE = "Set text_column (--text-column) to the one to search"
MAX_COLUMNS = 1000
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of documents, the id's among them, and which hold what."""

    names: tuple[str, ...]
    form: Form
    """How their file is written."""
    id: int
    title: int | None
    text: int

    @property
    def searched(self) -> str:
        """The names of the columns that are searched."""
        places = (self.title, self.text)
        return ", ".join(self.names[place] for place in places if place is not None)


@dataclass(frozen=True, slots=True)
class Document:
    """One row: its cells by column, and of these the two that are searched."""

    cells: tuple[str, ...]
    title: str
    text: str


@dataclass(slots=True)
class Tally:
    """What reading came across, counted."""

    rows: int = 0
    blank_rows: int = 0
    repeated_rows: int = 0
    rows_without_id: int = 0
    rows_sharing_an_id: int = 0
    rows_without_words: int = 0
    """Whose title or text is only `NaN`, `None` or `null`."""
    words: int = 0
    """Of all documents, each as often as it is there."""
    _ids: set[bytes] = field(default_factory=set)
    _rows: set[bytes] = field(default_factory=set)

    def is_repeated(self, cells: tuple[str, ...]) -> bool:
        """Whether a row of the same cells came before."""
        return _is_in(self._rows, "\0".join(cells))

    def is_shared(self, identity: str) -> bool:
        """Whether the id came before."""
        return _is_in(self._ids, identity)

    def facts(self) -> dict[str, object]:
        """For the training report."""
        return {
            "rows": self.rows,
            "skipped_rows": self.blank_rows,
            "repeated_rows": self.repeated_rows,
            "rows_without_id": self.rows_without_id,
            "rows_sharing_an_id": self.rows_sharing_an_id,
            "rows_without_words": self.rows_without_words,
        }


def find_columns(path: Path, params: Params) -> Columns:
    """The columns of a CSV; CorpusError if it has no text, or two columns of one name."""
    text = params.text("text_column", "claim_text")
    form = recognise(path, (text,), told_by(params))
    for _ in read_table(path, (text,), form=form, advice=ADVICE):
        break  # reading as far as the first row raises errors that say more than those below
    for key in ("id_column", "title_column"):
        if key in params.values:
            find_places(path, form, (params.text(key),), advice=f"Set {key} to one of them")
    # A column without a name is the row number that some programs write.
    names = [name for name in form.header if name]
    if len(names) >= MAX_COLUMNS:
        raise CorpusError(path, f"has {len(names)} columns; at most {MAX_COLUMNS - 1} are taken")
    identity = _id_column(path, names, params)
    for name, count in Counter(names).items():
        if count > 1:
            raise CorpusError(path, f"has two columns {shorten(name, 60)}")
        if name in RESERVED and name != identity:
            raise CorpusError(
                path, f"has a column {name!r}, which answers call something else: rename it"
            )
    if identity not in names:
        names.insert(0, identity)
    text_place = find_column(path, names, text)
    assert text_place is not None  # noqa: S101 - else read_table has raised
    return Columns(
        names=tuple(names),
        form=form,
        id=names.index(identity),
        title=find_column(path, names, params.text("title_column", "title")),
        text=text_place,
    )


def read_documents(
    path: Path, columns: Columns, tally: Tally, bar: ProgressBar
) -> Iterator[Document]:
    """The rows that can be found, in file order; `bar` counts bytes. Raises CorpusError."""
    rows = read_table(path, (), columns.names, bar.update, form=columns.form)
    for number, row in rows:
        tally.rows += 1
        cells = tuple(row)
        title = "" if columns.title is None else cells[columns.title].strip()
        text = cells[columns.text].strip()
        if not title and not text:
            tally.blank_rows += 1
            continue
        if tally.is_repeated(cells):
            tally.repeated_rows += 1
            continue
        if not cells[columns.id].strip():
            tally.rows_without_id += 1
            cells = (*cells[: columns.id], f"row-{number}", *cells[columns.id + 1 :])
        elif tally.is_shared(cells[columns.id]):
            tally.rows_sharing_an_id += 1
        tally.rows_without_words += says_nothing(title) or says_nothing(text)
        yield Document(cells, title, text)


def _id_column(path: Path, names: list[str], params: Params) -> str:
    """The name of the id's column, which need not be there."""
    wanted = (params.text("id_column"),) if "id_column" in params.values else ID_COLUMNS
    places = (find_column(path, names, name) for name in wanted)
    return next((names[place] for place in places if place is not None), wanted[0])


def _is_in(seen: set[bytes], text: str) -> bool:
    digest = hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
    if digest in seen:
        return True
    seen.add(digest)
    return False
