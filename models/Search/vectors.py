"""Vectors of words and documents: latent semantic analysis of the corpus that is searched.

A truncated singular value decomposition of the scores of words in documents, each document scaled
to length 1 (Deerwester et al., 1990). Words used alike get similar vectors, so that a claim can be
near a document with which it shares few words. Vectors learnt elsewhere know less of the documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

ITERATIONS = 4


def learn_vectors(
    scores: csr_matrix, rarities: NDArray[np.float32], size: int, seed: int
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """The vectors of words and of documents, at most `size` numbers each.

    A claim's vector is the sum of its words'. None have numbers where there is too little to learn
    from. *Shapes*: `scores` (documents, words), results (words, n) and (documents, n).
    """
    documents, words = scores.shape
    size = min(size, documents - 1, words - 1)
    if size < 1:
        return np.zeros((words, 0), np.float16), np.zeros((documents, 0), np.float16)
    scaled = normalize(scores.astype(np.float32))
    with threadpool_limits(1):  # the order of sums, and so their last digits, depends on threads
        learnt = TruncatedSVD(size, n_iter=ITERATIONS, random_state=seed).fit(scaled)
        of_documents = normalize(np.asarray(scaled @ learnt.components_.T, np.float32))
    of_words = learnt.components_.T * rarities[:, np.newaxis]
    # Lengths do not matter, the range of half precision does.
    of_words /= max(float(np.abs(of_words).max()), np.finfo(np.float32).tiny)
    return of_words.astype(np.float16), of_documents.astype(np.float16)
