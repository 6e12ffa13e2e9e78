"""Building the index: for each term the documents that hold it, and how much it counts there.

A BM25 score has two factors, which are stored apart. The term's rarity is one number per term. How
often the term is in a document, weighed by the document's length, is one byte per posting, the
term's *impact* there (exact to half a percent). A document has three lengths: its number of words,
of stop words and of pieces of words. In a large corpus a frequent term has no list of documents but
one byte for each document of the corpus.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from models.Search.analysis import KINDS, WORD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from models.Search.analysis import Analyser
    from models.Search.params import Bm25
    from models.word_counts import WordCounts

STEPS = 255
"""Impacts are whole numbers up to this one, which stands for the largest that is possible."""
LARGE_CORPUS = 4096
"""A corpus of so many documents is large: frequent terms are stored differently there."""
FREQUENT = 1 / 8
"""A term is frequent if more than this share of the documents hold it."""


@dataclass(frozen=True, slots=True)
class Postings:
    """The documents of each term: those of term t are documents[starts[t] : starts[t + 1]].

    A frequent term has none there. It has a row of `frequent_impacts` instead, with a number for
    every document, 0 where the document does not hold the term.
    *Shapes*: starts (terms + 1,), documents and impacts (postings,), weights (terms,),
    frequent_terms (frequent,), rising, frequent_impacts (frequent, documents).
    """

    terms: Mapping[str, int]
    """Term -> row: words first, then stop words, then pieces."""
    n_words: int
    starts: NDArray[np.int64]
    documents: NDArray[np.int32]
    impacts: NDArray[np.uint8]
    weights: NDArray[np.float32]
    """An impact times its term's weight is the score: the weight is rarity times impact_unit."""
    impact_unit: float
    frequent_terms: NDArray[np.int32]
    frequent_impacts: NDArray[np.uint8]
    by_document: csr_matrix
    """The scores of words alone. *Shape*: (documents, words)."""


def build_postings(counted: WordCounts, analyser: Analyser, bm25: Bm25) -> Postings:
    """All postings of the documents counted."""
    counts, words = counted.matrix(), counted.words()
    terms: dict[str, int] = {}
    parts: list[csc_matrix] = []
    weights = []
    by_document = csr_matrix(np.zeros((len(counted), 0), np.float32))
    for kind in KINDS:
        found, of_words = _terms(words, analyser, kind)
        terms |= {term: len(terms) + row for term, row in found.items()}
        held = (counts @ of_words).tocsr()
        held.data = _saturated(held, bm25)
        weight = rarity(np.diff(held.tocsc().indptr), len(counted))
        if kind == WORD:
            by_document = held.multiply(weight[np.newaxis, :]).tocsr()
        columns = held.tocsc()
        columns.sort_indices()
        parts.append(columns)
        weights.append(weight)
    most = bm25.k1 + 1
    data = np.concatenate([part.data for part in parts])
    impacts = np.maximum(np.rint(data * (STEPS / most)), 1).astype(np.uint8)
    documents = np.concatenate([part.indices for part in parts]).astype(np.int32)
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    is_frequent = lengths > FREQUENT * len(counted)
    if len(counted) < LARGE_CORPUS:
        is_frequent[:] = False
    apart = _apart(np.flatnonzero(is_frequent), _starts(lengths), documents, impacts, len(counted))
    is_listed = np.repeat(~is_frequent, lengths)
    return Postings(
        terms=terms,
        n_words=by_document.shape[1],
        starts=_starts(np.where(is_frequent, 0, lengths)),
        documents=documents[is_listed],
        impacts=impacts[is_listed],
        weights=(np.concatenate(weights) * (most / STEPS)).astype(np.float32),
        impact_unit=most / STEPS,
        frequent_terms=np.flatnonzero(is_frequent).astype(np.int32),
        frequent_impacts=apart,
        by_document=by_document,
    )


def _starts(lengths: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _apart(
    terms: NDArray[np.intp],
    starts: NDArray[np.int64],
    documents: NDArray[np.int32],
    impacts: NDArray[np.uint8],
    n_documents: int,
) -> NDArray[np.uint8]:
    """The impacts of `terms` for all documents. *Shape*: (terms, documents)."""
    apart = np.zeros((len(terms), n_documents), np.uint8)
    for row, term in enumerate(terms):
        span = slice(starts[term], starts[term + 1])
        apart[row, documents[span]] = impacts[span]
    return apart


def rarity(held_by: NDArray[Any] | int, n_documents: int) -> NDArray[np.float32]:
    """The rarity of terms that `held_by` documents hold: BM25's inverse document frequency, > 0."""
    held = np.asarray(held_by, np.float64)
    return np.log1p((n_documents - held + 0.5) / (held + 0.5)).astype(np.float32)


def _terms(words: list[str], analyser: Analyser, kind: int) -> tuple[dict[str, int], csr_matrix]:
    """The terms of one kind, and how often each is in each word. *Shape*: (words, terms)."""
    rows: dict[str, int] = {}
    columns, ends = array("i"), array("q", [0])
    for word in words:
        for term in analyser.terms(word, kind):
            columns.append(rows.setdefault(term, len(rows)))
        ends.append(len(columns))
    ones = np.ones(len(columns), np.float32)
    parts = ones, np.frombuffer(columns, np.int32), np.frombuffer(ends, np.int64)
    return rows, csr_matrix(parts, shape=(len(words), len(rows)))


def _saturated(held: csr_matrix, bm25: Bm25) -> NDArray[np.float32]:
    """The factor of BM25 that depends on the document, for each posting: from 0 to k1 + 1."""
    held.sum_duplicates()
    lengths = np.asarray(held.sum(axis=1), np.float64).ravel()
    mean = lengths.mean() or 1.0
    short = bm25.k1 * (1 - bm25.b + bm25.b * lengths / mean)
    often = held.data.astype(np.float64)
    of_posting = np.repeat(short, np.diff(held.indptr))
    return (often * (bm25.k1 + 1) / (often + of_posting)).astype(np.float32)
