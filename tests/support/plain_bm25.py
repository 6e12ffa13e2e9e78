"""BM25 as plain as can be, to compare with: words in lower case, k1 1.2, b 0.75."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

K1, B = 1.2, 0.75
_WORD = re.compile(r"\w+")


class PlainBm25:
    """An index in dicts and lists. Ties go to the document that comes first."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        self._ids = list(documents)
        counts = [Counter(_WORD.findall(text.lower())) for text in documents.values()]
        lengths = [count.total() for count in counts]
        mean = sum(lengths) / len(lengths)
        self._norms = [K1 * (1 - B + B * length / mean) for length in lengths]
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for row, count in enumerate(counts):
            for word, repeated in count.items():
                self._postings[word].append((row, repeated))

    def best(self, query: str, count: int) -> list[str]:
        """The ids of the best documents that share a word with the query."""
        scores: dict[int, float] = defaultdict(float)
        for word, repeated in Counter(_WORD.findall(query.lower())).items():
            postings = self._postings.get(word, ())
            idf = math.log(1 + (len(self._ids) - len(postings) + 0.5) / (len(postings) + 0.5))
            for row, tf in postings:
                scores[row] += repeated * idf * tf * (K1 + 1) / (tf + self._norms[row])
        order = sorted(scores, key=lambda row: (-scores[row], row))
        return [self._ids[row] for row in order[:count]]
