"""The scores of documents by the terms of a claim: BM25 over an index.

Every term of the claim adds its scores to the documents that hold it. In a large corpus the rare
terms come first; the frequent ones, which decide little, are then added for the best two thousand
documents, and for others that are asked for. What the scores are worth is for `ranking`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from models.Search.analysis import KINDS, PIECE, STOP_WORD, WORD, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.Search.analysis import Analyser
    from models.Search.index_file import Index
    from models.Search.params import Weights

CONSIDERED = 2048
"""For at least so many documents the scores of frequent terms are added."""
MOST_WORDS = 10_000
"""Of a longer claim only so many different words are looked up."""
GROUPS = 4096
"""The number of groups whose maxima bound the largest scores; see `_above`."""


@dataclass(frozen=True, slots=True)
class Query:
    """A claim as the index sees it."""

    weights: dict[int, float]
    """Term -> how much it counts, kinds and repetitions included."""
    counts: dict[int, int]
    """Words of the index only: term -> how often."""
    attainable: float
    """The score by terms of a document of mean length that has every term of the claim once."""
    has_words: bool
    """Whether there is a word that is no stop word, be it known or not."""


@dataclass(frozen=True, slots=True)
class TermScores:
    """The scores of all documents for one query. It is valid until the next query is scored."""

    _scores: NDArray[np.float32]
    """With zeros behind to make whole groups."""
    _considered: NDArray[np.intp]
    """The rows of the documents that may be the best."""
    _frequent: Sequence[tuple[NDArray[np.uint8], np.float32]]
    """Of each frequent term that is not in `_scores` yet: impacts on all documents, weight."""

    def of(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """The scores of some documents."""
        found = self._scores[rows]
        for impacts, weight in self._frequent:
            found += impacts[rows] * weight
        return found

    def best(self, count: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The rows of the `count` documents with the best scores above 0, and these; best first."""
        rows = self._considered
        found = self.of(rows)
        if len(rows) > count:
            chosen = found >= np.partition(found, len(found) - count)[len(found) - count]
            rows, found = rows[chosen], found[chosen]
        order = np.argsort(-found, kind="stable")[:count]
        return rows[order], found[order]


class TermScorer:
    """Scores the documents of an index. Not for several threads."""

    def __init__(self, index: Index, analyser: Analyser, weights: Weights) -> None:
        self.index = index
        self.analyser = analyser
        self.of_kind = {WORD: 1.0, STOP_WORD: weights.stop_words, PIECE: weights.pieces}
        self._scores: NDArray[np.float32] | None = None

    def read(self, claim: str) -> Query:
        """The terms of a claim."""
        index = self.index
        counted = dict(islice(Counter(words_of(claim)).items(), MOST_WORDS))
        unknown = float(np.log1p((len(index) + 0.5) / 0.5))
        weights: dict[int, float] = {}
        counts: dict[int, int] = {}
        attainable = 0.0
        has_words = False
        for kind in KINDS:
            terms = Counter[str]()
            for word, count in counted.items():
                for term in self.analyser.terms(word, kind):
                    terms[term] += count
            weight_of_kind = self.of_kind[kind]
            has_words |= kind == WORD and bool(terms)
            for term, count in terms.items():
                row = index.terms.get(term, -1)
                if row < 0:
                    attainable += weight_of_kind * count * unknown
                    continue
                if weight_of_kind:
                    weights[row] = weight_of_kind * count
                attainable += weight_of_kind * count * float(index.weights[row]) / index.impact_unit
                if kind == WORD:
                    counts[row] = count
        return Query(weights, counts, attainable, has_words)

    def score(self, query: Query) -> TermScores:
        """The scores of all documents."""
        if self._scores is None:
            self._scores = np.empty(-(-len(self.index) // GROUPS) * GROUPS, np.float32)
        scores, index = self._scores, self.index
        scores.fill(0)
        frequent = []
        for term, weight_in_claim in query.weights.items():
            weight = index.weights[term] * np.float32(weight_in_claim)
            if (impacts := self._frequent(term)) is not None:
                frequent.append((impacts, weight))
                continue
            span = self._span(term)
            np.add.at(scores, index.documents[span], index.impacts[span] * weight)
        considered = _above(scores, CONSIDERED)
        if frequent and len(considered) < CONSIDERED:
            for impacts, weight in frequent:
                scores[: len(impacts)] += impacts * weight
            considered, frequent = _above(scores, CONSIDERED), []
        return TermScores(scores, considered, frequent)

    def impacts(self, term: int, rows: Sequence[int]) -> list[int]:
        """How much a term counts in each of the documents, as the index has it; 0: it is not there.

        Times the term's weight in the index it is the term's score.
        """
        if (frequent := self._frequent(term)) is not None:
            return [int(frequent[row]) for row in rows]
        span = self._span(term)
        documents = self.index.documents[span]
        places = np.searchsorted(documents, rows)
        return [
            int(self.index.impacts[span.start + place])
            if place < len(documents) and documents[place] == row
            else 0
            for row, place in zip(rows, places.tolist(), strict=True)
        ]

    def _span(self, term: int) -> slice:
        return slice(int(self.index.starts[term]), int(self.index.starts[term + 1]))

    def _frequent(self, term: int) -> NDArray[np.uint8] | None:
        """The impacts of a frequent term on all documents, None if it is not frequent."""
        terms = self.index.frequent_terms
        place = int(np.searchsorted(terms, term))
        is_there = place < len(terms) and terms[place] == term
        return self.index.frequent_impacts[place] if is_there else None


def _above(scores: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The rows of at least the `count` largest scores above 0, if there are so many; by row.

    At least `count` scores reach the count-th largest of the groups' maxima. Finding that bound is
    far cheaper than a partition of all scores.
    """
    maxima = scores.reshape(-1, GROUPS).max(axis=0)
    least = np.partition(maxima, GROUPS - count)[GROUPS - count]
    return np.flatnonzero(scores >= least) if least > 0 else np.flatnonzero(scores > 0)
