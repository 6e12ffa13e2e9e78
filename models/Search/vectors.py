"""Vectors of words and documents: latent semantic analysis of the corpus that is searched.

A truncated singular value decomposition of the scores of words in documents, each document scaled
to length 1 (Deerwester et al., 1990). Words used alike get similar vectors, so that a claim can be
near a document with which it shares few words. They are learnt from the corpus itself, because
vectors learnt from other texts know less of its documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.Search.postings import Postings

ITERATIONS = 4


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of words and of documents in the space that was learnt.

    A document's vector has at most length 1. It is shorter the more of the document's words the
    space leaves out. *Shapes*: (words, n) and (documents, n).
    """

    of_words: NDArray[np.float16]
    of_documents: NDArray[np.float16]


def learn_vectors(postings: Postings, size: int, seed: int) -> Vectors:
    """Vectors of at most `size` numbers; of no numbers if the corpus is too small to learn from."""
    scores = postings.by_document
    n_documents, n_words = scores.shape
    size = min(size, n_documents - 1, n_words - 1)
    if size < 1:
        return Vectors(np.zeros((n_words, 0), np.float16), np.zeros((n_documents, 0), np.float16))
    scaled = normalize(scores)
    with threadpool_limits(1):  # the order of sums, and so their last digits, depends on threads
        _, _, axes = randomized_svd(scaled, size, n_iter=ITERATIONS, random_state=seed)
        of_documents = np.asarray(scaled @ axes.T)
    return Vectors(axes.T.astype(np.float16), of_documents.astype(np.float16))
