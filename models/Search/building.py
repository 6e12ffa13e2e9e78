"""An index of documents whose words are counted: postings, vectors of words, and cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.Search.index_file import Index
from models.Search.postings import build_postings
from models.Search.vectors import learn_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.Search.analysis import Analyser
    from models.Search.params import Bm25
    from models.Search.postings import Postings
    from models.Search.vectors import Vectors
    from models.word_counts import WordCounts


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an index is made of counts."""

    analyser: Analyser
    bm25: Bm25
    vector_size: int
    seed: int


@dataclass(frozen=True, slots=True)
class Cells:
    """The columns of all documents, as the index keeps them."""

    columns: tuple[str, ...]
    id_column: int
    ends: NDArray[np.int64]
    cells: NDArray[np.uint8]

    def of(self, document: int) -> bytes:
        """A document's cells, a list in JSON."""
        return self.cells[self.ends[document] : self.ends[document + 1]].tobytes()


def no_cells(n_documents: int) -> Cells:
    """For an index that is only searched."""
    return Cells(("id",), 0, np.zeros(n_documents + 1, np.int64), np.zeros(0, np.uint8))


def build(counted: WordCounts, recipe: Recipe) -> tuple[Postings, Vectors]:
    """What is learnt of the counts. There may be no words but stop words: the caller looks."""
    postings = build_postings(counted, recipe.analyser, recipe.bm25)
    return postings, learn_vectors(postings, recipe.vector_size, recipe.seed)


def assemble(cells: Cells, postings: Postings, vectors: Vectors) -> Index:
    """The index of what was learnt."""
    return Index(
        columns=cells.columns,
        id_column=cells.id_column,
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
        cell_ends=cells.ends,
        cells=cells.cells,
    )
