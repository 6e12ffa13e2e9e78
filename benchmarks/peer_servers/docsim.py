"""What peers answer: the similarity of two texts by gensim, from one line of CSV.

Runs in peers' environments, so it imports nothing of this project.
"""

from __future__ import annotations

from typing import Any


def load(path: str) -> Any:
    """Read word vectors."""
    from gensim.models import KeyedVectors  # noqa: PLC0415 - a no-op model needs none

    return KeyedVectors.load(path)


def answer(vectors: Any, text: str) -> str:
    """Score `one,other`."""
    one, other = (
        [word for word in part.lower().split() if word in vectors] for part in text.split(",")
    )
    return f"{vectors.n_similarity(one, other):.5f}"
