"""Finding the documents a claim is about.

Every term of the claim adds its scores to the documents that hold it. In a large corpus the rare
terms come first; the frequent ones, which decide little, are then added for the best two thousand
documents only. The best few hundred are also compared with the claim by vectors. Of documents with
equal scores the one that comes first in the corpus is first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from models.Search.analysis import KINDS, PIECE, STOP_WORD, WORD, Analyser, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.Search.index_file import Index
    from models.Search.params import Weights

CANDIDATES = 256
"""At least so many documents are compared by vectors."""
CONSIDERED = 2048
"""For at least so many documents the scores of frequent terms are added."""
GROUPS = 4096
"""The number of groups whose maxima bound the largest scores; see `_above`."""
SHOWN_WORDS = 200
"""`show_words` looks for so many different words of a claim."""


@dataclass(frozen=True, slots=True)
class Match:
    """A document by its row, and how well it fits the claim."""

    row: int
    score: float


@dataclass(frozen=True, slots=True)
class Query:
    """A claim as the index sees it."""

    weights: dict[int, float]
    """Term -> how much it counts, kinds and repetitions included."""
    counts: dict[int, int]
    """Words of the index only: term -> how often."""
    attainable: float
    """The score by terms of a document of mean length that has every term of the claim once."""


class Ranker:
    """Finds documents in an index. Not for several threads."""

    def __init__(self, index: Index, analyser: Analyser, weights: Weights) -> None:
        self._index = index
        self._analyser = analyser
        self._weights = weights
        self._of_kind = {WORD: 1.0, STOP_WORD: weights.stop_words, PIECE: weights.pieces}
        self._scores: NDArray[np.float32] | None = None

    def best(self, claim: str, count: int) -> list[Match]:
        """At most `count` documents that share a term with the claim, best first."""
        query = self._read(claim)
        rows, found = self._by_terms(query, max(count, CANDIDATES))
        if not len(rows):
            return []
        fused = found + self._weights.vectors * found[0] * self._cosines(query, rows)
        order = np.lexsort((rows, -fused))[:count]
        scale = 1 / (query.attainable * (1 + self._weights.vectors))
        return [Match(int(rows[place]), float(fused[place]) * scale) for place in order]

    def nearest(self, claim: str, count: int) -> list[Match]:
        """The documents best by vectors alone, which is for comparison."""
        rows = np.arange(len(self._index))
        cosines = self._cosines(self._read(claim), rows)
        order = np.argsort(-cosines, kind="stable")[:count]
        return [Match(int(row), float(cosines[row])) for row in order if cosines[row] > 0]

    def shared_words(self, claim: str, rows: Sequence[int]) -> list[list[str]]:
        """For each document those words of the claim whose stem it holds, without stop words.

        Only the first SHOWN_WORDS different words of the claim are looked for.
        """
        words = dict.fromkeys(words_of(claim))
        stems = {word: self._analyser.terms(word, WORD) for word in islice(words, SHOWN_WORDS)}
        terms = {word: self._index.terms.get(stem[0], -1) for word, stem in stems.items() if stem}
        held = {word: self._holding(term, rows) for word, term in terms.items() if term >= 0}
        return [[word for word in held if row in held[word]] for row in rows]

    def _holding(self, term: int, rows: Sequence[int]) -> set[int]:
        """Those of the documents that have a term."""
        if (frequent := self._frequent(term)) is not None:
            return {row for row in rows if frequent[row]}
        documents = self._index.documents[self._span(term)]
        places = np.searchsorted(documents, rows)
        return {
            row
            for row, place in zip(rows, places.tolist(), strict=True)
            if place < len(documents) and documents[place] == row
        }

    def _span(self, term: int) -> slice:
        return slice(int(self._index.starts[term]), int(self._index.starts[term + 1]))

    def _read(self, claim: str) -> Query:
        index = self._index
        counted = Counter(words_of(claim))
        unknown = float(np.log1p((len(index) + 0.5) / 0.5))
        weights: dict[int, float] = {}
        counts: dict[int, int] = {}
        attainable = 0.0
        for kind in KINDS:
            weight_of_kind = self._of_kind[kind]
            if not weight_of_kind:
                continue
            terms = Counter[str]()
            for word, count in counted.items():
                for term in self._analyser.terms(word, kind):
                    terms[term] += count
            for term, count in terms.items():
                row = index.terms.get(term, -1)
                if row < 0:
                    attainable += weight_of_kind * count * unknown
                    continue
                weights[row] = weight_of_kind * count
                attainable += weights[row] * float(index.weights[row]) / index.impact_unit
                if kind == WORD:
                    counts[row] = count
        return Query(weights, counts, attainable)

    def _frequent(self, term: int) -> NDArray[np.uint8] | None:
        """The impacts of a frequent term on all documents, None if it is not frequent."""
        terms = self._index.frequent_terms
        place = int(np.searchsorted(terms, term))
        is_there = place < len(terms) and terms[place] == term
        return self._index.frequent_impacts[place] if is_there else None

    def _by_terms(self, query: Query, count: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The rows of the `count` documents best by terms, and their scores; best first."""
        scores, frequent = self._rare_scores(query)
        rows = _above(scores, CONSIDERED)
        if frequent and len(rows) < CONSIDERED:
            for impacts, weight in frequent:
                scores[: len(impacts)] += impacts * weight
            rows, frequent = _above(scores, CONSIDERED), []
        found = scores[rows]
        for impacts, weight in frequent:
            found += impacts[rows] * weight
        if len(rows) > count:
            chosen = found >= np.partition(found, len(found) - count)[len(found) - count]
            rows, found = rows[chosen], found[chosen]
        order = np.argsort(-found, kind="stable")[:count]
        return rows[order], found[order]

    def _rare_scores(
        self, query: Query
    ) -> tuple[NDArray[np.float32], list[tuple[NDArray[np.uint8], np.float32]]]:
        """The documents' scores by all but frequent terms, zeros behind to make whole groups.

        And of each frequent term the impacts on all documents and their weight.
        """
        if self._scores is None:
            self._scores = np.empty(-(-len(self._index) // GROUPS) * GROUPS, np.float32)
        scores, index = self._scores, self._index
        scores.fill(0)
        frequent = []
        for term, weight_in_claim in query.weights.items():
            weight = index.weights[term] * np.float32(weight_in_claim)
            if (impacts := self._frequent(term)) is not None:
                frequent.append((impacts, weight))
                continue
            span = self._span(term)
            np.add.at(scores, index.documents[span], index.impacts[span] * weight)
        return scores, frequent

    def _cosines(self, query: Query, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """The likeness of claim and documents by vectors, from 0 to 1.

        It is their cosine, reduced by the share of each that the vectors leave out: vectors that
        know few words of a claim or of a document should decide little.
        """
        vectors = self._index.word_vectors
        terms = [term for term in query.counts if term < len(vectors)]
        if not terms or not vectors.shape[1]:
            return np.zeros(len(rows), np.float32)
        counts = np.array([query.counts[term] for term in terms], np.float32)
        claim = counts * self._index.weights[terms]
        length = np.float32(np.linalg.norm(claim)) or np.float32(1)
        claim = (claim / length) @ vectors[terms].astype(np.float32)
        likeness = self._index.document_vectors[rows].astype(np.float32) @ claim
        return np.maximum(likeness, 0)


def _above(scores: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The rows of at least the `count` largest scores above 0, if there are so many; by row.

    At least `count` scores reach the count-th largest of the groups' maxima. Finding that bound is
    far cheaper than a partition of all scores.
    """
    maxima = scores.reshape(-1, GROUPS).max(axis=0)
    least = np.partition(maxima, GROUPS - count)[GROUPS - count]
    return np.flatnonzero(scores >= least) if least > 0 else np.flatnonzero(scores > 0)
