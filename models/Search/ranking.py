"""Finding the documents a claim is about, by their terms, their words' vectors, and their meaning.

The best few hundred documents by terms are compared with the claim by vectors of words. Where an
artifact has an encoder's vectors, those nearest in meaning join them. Then both kinds of evidence
are added: a document's share of the best score by terms, and its standard score by meaning, the
latter with a weight that is the greater the less of the claim the terms find. Of documents with
equal scores the one that comes first in the corpus is first. How likely a match is a match at all
is for `relevance`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.Search.relevance import Evidence
from models.Search.term_scores import TermScorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.Search.analysis import Analyser
    from models.Search.index_file import Index
    from models.Search.meaning import Meaning
    from models.Search.params import Weights
    from models.Search.term_scores import Query, TermScores

    Floats = NDArray[np.float32]

CANDIDATES = 256
"""At least so many documents are compared by vectors."""
LEAST_TRUST = 0.3
"""The part of the weight of meaning that it has where terms find the whole claim."""
HALF_FOUND, SLOPE = 0.3, 0.07
"""The coverage at which it has half of the rest, and how fast that changes."""
DECIDED_COVERAGE, DECIDED_LEAD = 0.95, 0.5
"""If terms find so much of the claim in one document, and in no other more than so much of that,
the claim is not encoded: its meaning would hardly make another document the best."""


@dataclass(frozen=True, slots=True)
class Match:
    """A document by its row, how well it fits the claim, and how likely it is about it."""

    row: int
    score: float
    relevance: float
    by_vectors: float
    """The part of the score that vectors of words add."""
    by_meaning: float
    """The part of the score that meaning adds, which may be below 0."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Documents and what speaks for each. *Shape* of each array: (documents,)."""

    rows: NDArray[np.intp]
    fused: Floats
    """What they are ordered by: both kinds of evidence."""
    by_vectors: Floats
    """The part of it that vectors of words add."""
    by_meaning: Floats
    """The part of it that meaning adds."""
    evidence: Evidence


class Ranker:
    """Finds documents in an index. Not for several threads."""

    def __init__(
        self,
        index: Index,
        analyser: Analyser,
        weights: Weights,
        meaning: Meaning | None = None,
        *,
        always_encodes: bool = False,
    ) -> None:
        """`always_encodes` has claims encoded where terms decide, too."""
        self.scorer = TermScorer(index, analyser, weights)
        self._index = index
        self._weights = weights
        self._meaning = meaning
        self._always_encodes = always_encodes

    def best(self, claim: str, count: int) -> list[Match]:
        """At most `count` documents, best first; none for a claim of stop words alone."""
        found = self.candidates(claim, count)
        if not len(found.rows):
            return []
        relevance = self._index.relevance.of(found.evidence)
        # By terms alone: the share of the claim that was found. Else in units of the best match's
        # relevance, since of a claim in other words there may be next to nothing to find.
        top = float(found.fused[0])
        unit = relevance[0] if found.evidence.standings is not None else found.evidence.coverages[0]
        unit = float(unit) / top
        return [
            Match(
                row=int(found.rows[place]),
                score=unit * float(found.fused[place]),
                relevance=float(relevance[place]),
                by_vectors=unit * float(found.by_vectors[place]),
                by_meaning=unit * float(found.by_meaning[place]),
            )
            for place in range(len(found.rows))
        ]

    def candidates(self, claim: str, count: int) -> Candidates:
        """At most `count` documents for which anything speaks, best first."""
        query = self.scorer.read(claim)
        if not query.has_words:
            return _none()
        scores = self.scorer.score(query)
        rows, _ = scores.best(max(count, CANDIDATES))
        by_terms, by_vectors = self._by_words(query, scores, rows)
        attainable = self._attainable(query)
        near = None
        if self._meaning is not None and self._is_open(by_terms + by_vectors, attainable):
            near = self._meaning.read(claim)
            rows = np.union1d(rows, self._meaning.nearest(near, max(count, CANDIDATES)))
            by_terms, by_vectors = self._by_words(query, scores, rows)
        by_words = by_terms + by_vectors
        top = float(by_words.max(initial=0)) or 1.0
        fused = by_words / np.float32(top)
        by_meaning = np.zeros_like(fused)
        cosines = standings = None
        if near is not None and self._meaning is not None:
            cosines = self._meaning.cosines(near.vector, rows)
            standings = near.standings(cosines)
            by_meaning = np.float32(self._trust(top / attainable)) * standings
            fused = fused + by_meaning
        order = np.lexsort((rows, -fused))[:count]
        order = order[fused[order] > 0]
        return Candidates(
            rows[order],
            fused[order],
            by_vectors[order] / np.float32(top),
            by_meaning[order],
            Evidence(
                by_words[order] / np.float32(attainable),
                None if standings is None else standings[order],
                None if cosines is None else cosines[order],
            ),
        )

    def will_encode(self, claim: str, count: int) -> bool:
        """Whether `candidates` will have the claim encoded, if meaning is known at all."""
        query = self.scorer.read(claim)
        if self._meaning is None or not query.has_words:
            return False
        scores = self.scorer.score(query)
        rows, _ = scores.best(max(count, CANDIDATES))
        by_terms, by_vectors = self._by_words(query, scores, rows)
        return self._is_open(by_terms + by_vectors, self._attainable(query))

    def nearest(self, claim: str, count: int) -> list[tuple[int, float]]:
        """Rows and cosines of the documents best by vectors of words alone, for comparison."""
        rows = np.arange(len(self._index))
        cosines = self._cosines(self.scorer.read(claim), rows)
        order = np.argsort(-cosines, kind="stable")[:count]
        return [(int(row), float(cosines[row])) for row in order if cosines[row] > 0]

    def _attainable(self, query: Query) -> float:
        return query.attainable * (1 + self._weights.vectors) or 1.0

    def _is_open(self, by_words: Floats, attainable: float) -> bool:
        """Whether meaning has a say beside terms that find so much."""
        return self._always_encodes or not _is_decided(by_words / attainable)

    def _trust(self, coverage: float) -> float:
        """What a standard score by meaning is worth, as a share of the best score by terms."""
        missing = 1 / (1 + math.exp((coverage - HALF_FOUND) / SLOPE))
        return self._weights.meaning * (LEAST_TRUST + (1 - LEAST_TRUST) * missing)

    def _by_words(
        self, query: Query, scores: TermScores, rows: NDArray[np.intp]
    ) -> tuple[Floats, Floats]:
        """The scores of some documents by terms, and what vectors of words add to each."""
        by_terms = scores.of(rows)
        weight = self._weights.vectors * float(by_terms.max(initial=0))
        return by_terms, np.float32(weight) * self._cosines(query, rows)

    def _cosines(self, query: Query, rows: NDArray[np.intp]) -> Floats:
        """The likeness of claim and documents by vectors of words, from 0 to 1.

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


def _is_decided(coverages: Floats) -> bool:
    first, second = sorted([0.0, 0.0, *coverages.tolist()], reverse=True)[:2]
    return bool(first >= DECIDED_COVERAGE and second <= DECIDED_LEAD * first)


def _none() -> Candidates:
    none = np.zeros(0, np.float32)
    return Candidates(np.zeros(0, np.intp), none, none, none, Evidence(none))
