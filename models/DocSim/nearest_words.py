"""The words nearest to the commonest ones, for the report: what the vectors take for alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.DocSim.documents import best_rows
from models.DocSim.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Collection

    from gensim.models import KeyedVectors

WORDS, NEAREST = 15, 5
MAX_WORDS, MAX_NUMBERS = 20_000, 4_000_000
"""Neighbours are looked for among so many of the commonest words; fewer where vectors are long."""


def nearest_words(vectors: KeyedVectors, stop_words: Collection[str]) -> list[dict[str, object]]:
    """The commonest words that are no stop words, each with its count and its nearest ones."""
    n_words = min(MAX_WORDS, MAX_NUMBERS // vectors.vector_size)
    words = [word for word in vectors.index_to_key[:n_words] if word not in stop_words]
    if len(words) < 2:  # noqa: PLR2004 - there is none near
        return []
    units = unit(vectors.vectors[[vectors.key_to_index[word] for word in words]])
    found: list[dict[str, object]] = []
    for row, word in enumerate(words[:WORDS]):
        scores = units @ units[row]
        scores[row] = -np.inf
        nearest = best_rows(scores, min(NEAREST, len(words) - 1))
        found.append(
            {
                "word": word,
                "count": int(vectors.get_vecattr(word, "count")),
                "nearest": [[words[near], round(float(scores[near]), 3)] for near in nearest],
            }
        )
    return found
