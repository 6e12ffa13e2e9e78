"""From the vectors of tokens to one of the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.Embedding.params import CLS, MEAN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def pooled(states: Floats, mask: NDArray[np.int64], pooling: str) -> Floats:
    """One vector a text; a text without tokens gets zeros.

    *Shapes*: states (texts, tokens, size), or (texts, size) where the model has pooled them; mask
    (texts, tokens); result (texts, size).
    """
    if pooling == MEAN:
        shares = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
        return np.asarray(np.matmul(shares[:, None, :].astype(np.float32), states)[:, 0])
    return np.ascontiguousarray(states[:, 0]) if pooling == CLS else states


def normalized(vectors: Floats) -> Floats:
    """The vectors made 1 long; those of length 0 stay."""
    # The squares of numbers of 32 bits may have no place in 32 bits.
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
