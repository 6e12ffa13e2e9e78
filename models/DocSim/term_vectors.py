"""The vectors of terms, as gensim's `most_similar` would look for words like them.

A term's vector is the mean of the unit vectors of its words, scaled to length 1. They are found as
in any text; stop words are left out unless the term has no others. The vector of a term without
a known word is zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.DocSim.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.DocSim.texts import TextReader
    from models.DocSim.vectors import WordVectors


def term_vectors(
    terms: Sequence[str], reader: TextReader, vectors: WordVectors
) -> NDArray[np.float32]:
    """The terms' vectors. *Shape*: (terms, dimensions)."""
    means = np.zeros((len(terms), vectors.vectors.shape[1]), np.float32)
    for mean, term in zip(means, terms, strict=True):
        rows = list((reader.known_words(term) or reader.known_words(term, stops=False)).values())
        if rows:
            mean[:] = word_units(vectors, rows).mean(axis=0)
    return unit(means)


def word_units(vectors: WordVectors, rows: Sequence[int] | slice) -> NDArray[np.float32]:
    """The vectors of words, scaled to length 1. *Shape*: (rows, dimensions)."""
    return unit(np.asarray(vectors.vectors)[rows])
