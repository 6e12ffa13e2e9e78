"""Why a document was found: what part of its score each word of the claim has, and the vectors.

A word's part is that of its stem and of its pieces, so that a word which is in the document only as
part of another, or misspelt, has a part too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from models.Search.analysis import KINDS, WORD, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.Search.ranking import Match
    from models.Search.term_scores import TermScorer

SHOWN_WORDS = 200
"""So many different words of a claim are looked for."""
LEAST_SHARE = 0.005
"""Words with a smaller share are left out."""


class Explainer:
    """Explains the matches of one index."""

    def __init__(self, scorer: TermScorer) -> None:
        self._scorer = scorer
        self._index = scorer.index
        self._analyser = scorer.analyser

    def shared_words(self, claim: str, rows: Sequence[int]) -> list[list[str]]:
        """For each document those words of the claim whose stem it holds, without stop words."""
        held: dict[str, list[int]] = {}
        for word in _words(claim):
            for term in self._analyser.terms(word, WORD):
                if (found := self._index.terms.get(term, -1)) >= 0:
                    held[word] = self._scorer.impacts(found, rows)
        return [
            [word for word, impacts in held.items() if impacts[place]] for place in range(len(rows))
        ]

    def explain(self, claim: str, matches: Sequence[Match]) -> list[dict[str, object]]:
        """For each match the shares of its score that words and vectors have; they add up to 1.

        `others` are words with too small a share to be shown. The share of meaning may be below 0,
        that of words then above 1.
        """
        parts = self._by_word(claim, [match.row for match in matches])
        explained: list[dict[str, object]] = []
        for place, match in enumerate(matches):
            of_words = {word: scores[place] for word, scores in parts.items() if scores[place]}
            whole = match.score or 1.0
            vectors, meaning = match.by_vectors / whole, match.by_meaning / whole
            unit = (1 - vectors - meaning) / (sum(of_words.values()) or 1.0)
            shares = {word: score * unit for word, score in of_words.items()}
            shown = sorted(shares.items(), key=lambda pair: -pair[1])
            shown = [(word, share) for word, share in shown if share >= LEAST_SHARE]
            others = 1 - vectors - meaning - sum(share for _, share in shown)
            explained.append(
                {
                    "words": [{"word": word, "share": round(share, 4)} for word, share in shown],
                    "others": round(others, 4),
                    "vectors": round(vectors, 4),
                    "meaning": round(meaning, 4),
                }
            )
        return explained

    def _by_word(self, claim: str, rows: Sequence[int]) -> dict[str, list[float]]:
        """The scores by terms that each word of the claim brings each of the documents."""
        return {word: self._of_word(word, count, rows) for word, count in _words(claim).items()}

    def _of_word(self, word: str, count: int, rows: Sequence[int]) -> list[float]:
        scores = [0.0] * len(rows)
        for kind in KINDS:
            for term, times in Counter(self._analyser.terms(word, kind)).items():
                found = self._index.terms.get(term, -1)
                if found < 0:
                    continue
                weight = (
                    self._scorer.of_kind[kind] * times * count * float(self._index.weights[found])
                )
                for place, impact in enumerate(self._scorer.impacts(found, rows)):
                    scores[place] += weight * impact
        return scores


def _words(claim: str) -> Mapping[str, int]:
    """The first different words of a claim, and how often each is there."""
    counted = Counter(words_of(claim))
    return dict(list(counted.items())[:SHOWN_WORDS])
