"""DocSim in the manner of the system this project replaces: gensim, the model loaded per request.

Rows are read with the csv module instead of pandas, which this project does not install; that is to
stock's advantage. What it answers is what the family has to answer, to the last digit.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from gensim.models import KeyedVectors
from gensim.utils import simple_preprocess

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

SPELT_OUT = {"5g": "fuenfg", "co2": "cozwei"}
WORDS_AGAIN = {spelt: word for word, spelt in SPELT_OUT.items()}


def load(model: Path) -> KeyedVectors:
    """Read word vectors, as each request does."""
    return KeyedVectors.load(str(model))


def answer(model: Path, body: str, stop_words: Collection[str], max_chars: int) -> list[str]:
    """Load the model, and score each row of a CSV."""
    vectors = load(model)
    scores = []
    for row in csv.reader(io.StringIO(body)):
        one, other = (
            [
                word
                for word in _words(text, max_chars)
                if word in vectors.key_to_index and word not in stop_words
            ]
            for text in row
        )
        scores.append(str(vectors.n_similarity(one, other)) if one and other else "0.00")
    return scores


def _words(text: str, max_chars: int) -> list[str]:
    text = text.lower()
    for word, spelt in SPELT_OUT.items():
        text = text.replace(word, spelt)
    return [WORDS_AGAIN.get(word, word) for word in simple_preprocess(text, max_len=max_chars)]
