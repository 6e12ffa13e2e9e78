"""Training Search: an index of the documents of a corpus, and vectors of their words.

Reads the columns that `id_column`, `title_column` and `text_column` name, keeps all others. The
same corpus and parameters give the same bytes.
"""

from __future__ import annotations

import json
import logging
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import CorpusError
from models.language.stop_words import learn_stop_words
from models.params import Params
from models.Search.analysis import Analyser, words_of
from models.Search.corpus import Tally, find_columns, read_documents
from models.Search.index_file import Index, write_index
from models.Search.near_duplicates import near_duplicates
from models.Search.params import KEYS, parse_bm25, parse_params
from models.Search.postings import build_postings
from models.Search.vectors import learn_vectors
from models.serving import Lessons
from models.training_params import read_effort, warn_of_typos, write_params
from models.word_counts import WordCounts

if TYPE_CHECKING:
    from pathlib import Path

    from models.Search.corpus import Columns
    from models.Search.postings import Postings
    from models.Search.vectors import Vectors
    from models.serving import Material, Progress

log = logging.getLogger(__name__)

SEED = 1
MAX_VECTOR_SIZE = 1000


def train(material: Material, output_dir: Path, progress: Progress) -> Lessons:
    """Write `Search-params.json` and `Search-model`. Raises CorpusError and ArtifactError."""
    raw = Params("Search-params.json", material.params)
    checked, bm25 = parse_params(raw), parse_bm25(raw)
    vector_size = raw.whole_number("vector_size", 100, minimum=0, maximum=MAX_VECTOR_SIZE)
    seed = read_effort(raw, SEED).seed
    learn_stop_words(raw, (), 0)  # raises for a faulty parameter before the corpus is read
    warn_of_typos(raw, KEYS)
    path = material.corpus
    columns = find_columns(path, raw)
    if unknown := [name for name in checked.fields or () if name not in columns.names]:
        found = ", ".join(columns.names)
        raise CorpusError(path, f"has no column {unknown[0]!r}, as in fields; its columns: {found}")
    gathered = _gather(path, columns, bm25.title_weight, progress)
    counted = gathered.counted
    learnt = learn_stop_words(raw, counted.document_counts(), len(counted)) - checked.stop_words
    stop_words = checked.stop_words | learnt
    with progress(2, "step", "Search: index and vectors") as bar:
        postings = build_postings(counted, Analyser(checked.language, stop_words), bm25)
        if not postings.n_words:
            raise CorpusError(path, f"has only stop words in column {columns.searched}")
        bar.update(1)
        vectors = learn_vectors(postings, vector_size, seed)
        bar.update(1)
    write_index(output_dir / "Search-model", _index(columns, postings, vectors, gathered))
    write_params(output_dir, raw, stop_words)
    return Lessons(
        gathered.tally.facts()
        | {
            "documents": len(counted),
            "read_as": str(columns.form),
            "columns": list(columns.names),
            "vocabulary_words": postings.n_words,
            "terms": len(postings.terms),
            "postings": len(postings.documents),
            "frequent_terms": len(postings.frequent_terms),
            "mean_words_of_a_document": round(gathered.tally.words / len(counted), 2),
            "dimensions": vectors.of_words.shape[1],
            "stop_words": sorted(stop_words),
            "learnt_stop_words": sorted(learnt),
            "seed": seed,
            "reproducible": "to the byte",
            "near_duplicates": near_duplicates(
                counted, columns, gathered.cells, gathered.cell_ends
            ),
        }
    )


def _index(columns: Columns, postings: Postings, vectors: Vectors, gathered: _Gathered) -> Index:
    return Index(
        columns=columns.names,
        id_column=columns.id,
        terms=postings.terms,
        impact_unit=postings.impact_unit,
        starts=postings.starts,
        documents=postings.documents,
        impacts=postings.impacts,
        weights=postings.weights,
        frequent_terms=postings.frequent_terms,
        frequent_impacts=postings.frequent_impacts,
        word_vectors=vectors.of_words,
        document_vectors=vectors.of_documents,
        cell_ends=np.frombuffer(gathered.cell_ends, np.int64),
        cells=np.frombuffer(gathered.cells, np.uint8),
    )


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What reading a corpus leaves: its words counted, its cells as the index keeps them."""

    counted: WordCounts
    cells: bytearray
    cell_ends: array[int]
    tally: Tally


def _gather(path: Path, columns: Columns, title_weight: float, progress: Progress) -> _Gathered:
    gathered = _Gathered(WordCounts(np.float32), bytearray(), array("q", [0]), Tally())
    with progress(path.stat().st_size, "byte", "Search: reading") as bar:
        for document in read_documents(path, columns, gathered.tally, bar):
            # A title without weight is left out, so that its words are not in the index either.
            title = words_of(document.title) if title_weight else []
            text = words_of(document.text)
            gathered.tally.words += len(title) + len(text)
            gathered.counted.add((title, title_weight), (text, 1))
            gathered.cells.extend(json.dumps(document.cells, ensure_ascii=False).encode())
            gathered.cell_ends.append(len(gathered.cells))
    _warn(path, gathered.tally)
    if not len(gathered.counted):
        raise CorpusError(
            path, f"has no text in column {columns.searched} ({gathered.tally.rows} rows)"
        )
    return gathered


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
