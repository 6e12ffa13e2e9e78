"""Training: reading the documents of a corpus, once to count their words and as often as needed."""

from __future__ import annotations

import json
import logging
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import CorpusError
from models.Search.analysis import words_of
from models.Search.building import Cells
from models.Search.corpus import Document, Tally, read_documents
from models.serving import no_progress
from models.text import clean
from models.word_counts import WordCounts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from models.Search.corpus import Columns
    from models.serving import Progress, ProgressBar

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of a corpus as they are searched; each pass reads the file anew."""

    path: Path
    columns: Columns
    is_cleaned: bool
    """Whether title and text are cleaned; the cells stay as they are."""

    def __iter__(self) -> Iterator[Document]:
        with no_progress(0, "byte", "") as bar:
            yield from self.read(Tally(), bar)

    def read(self, tally: Tally, bar: ProgressBar) -> Iterator[Document]:
        """The same, counted. Raises CorpusError."""
        for document in read_documents(self.path, self.columns, tally, bar):
            if self.is_cleaned:
                yield Document(document.cells, clean(document.title), clean(document.text))
            else:
                yield document


@dataclass(frozen=True, slots=True)
class Gathered:
    """What reading a corpus leaves: its words counted, its cells as the index keeps them."""

    counted: WordCounts
    cells: Cells
    tally: Tally


def gather(documents: Documents, title_weight: float, progress: Progress) -> Gathered:
    """Read a corpus whole. Raises CorpusError, also where it has no text."""
    path, columns = documents.path, documents.columns
    counted, tally = WordCounts(np.float32), Tally()
    cells, ends = bytearray(), array("q", [0])
    with progress(path.stat().st_size, "byte", "Search: reading") as bar:
        for document in documents.read(tally, bar):
            tally.words += count(counted, document.title, document.text, title_weight)
            cells.extend(json.dumps(document.cells, ensure_ascii=False).encode())
            ends.append(len(cells))
    _warn(path, tally)
    if not len(counted):
        raise CorpusError(path, f"has no text in column {columns.searched} ({tally.rows} rows)")
    kept = np.frombuffer(ends, np.int64), np.frombuffer(cells, np.uint8)
    return Gathered(counted, Cells(columns.names, columns.id, *kept), tally)


def count(counted: WordCounts, title: str, text: str, title_weight: float) -> int:
    """Count the words of one document more; returns how many it has."""
    # A title without weight is left out, so that its words are not in the index either.
    of_title = words_of(title) if title_weight else []
    of_text = words_of(text)
    counted.add((of_title, title_weight), (of_text, 1))
    return len(of_title) + len(of_text)


def _warn(path: Path, tally: Tally) -> None:
    for count, what in (
        (tally.blank_rows, "have neither title nor text"),
        (tally.repeated_rows, "are the same as one before and are left out"),
        (tally.rows_without_id, "have no id and are called after their number"),
        (tally.rows_sharing_an_id, "have an id that a row before has too"),
        (tally.rows_without_words, "have a title or text that is only NaN, None or null"),
    ):
        if count:
            log.warning("%s: %d rows %s", path.name, count, what)
