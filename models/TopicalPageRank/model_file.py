"""The file `TopicalPageRank-model`: a gzipped pickle of four values, as pke writes and reads it.

vocabulary (words in column order, or word -> column), components, exp(E[log beta]) of the same
shape (topics, words), and the prior of a document's topics.
"""

from __future__ import annotations

import gzip
import pickle
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, shorten
from models.pickles import read_pickle, to_array
from models.records import ArrayRecord, all_finite
from models.TopicalPageRank.lda import Lda

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# Protocol 4 is the newest all of pke's Pythons read.
PICKLE_PROTOCOL = 4
VALUES = 4
MAX_PRIOR = sys.float_info.max


def read_lda(path: Path) -> Lda:
    """Read and check a model; ArtifactError says what is wrong with it."""
    value = read_pickle(path)
    if not isinstance(value, (tuple, list)) or len(value) != VALUES:
        raise ArtifactError(
            path, "must hold vocabulary, components, exp_dirichlet_component and doc_topic_prior"
        )
    components = _matrix(value[1], path, "components")
    exp_dirichlet = _matrix(value[2], path, "exp_dirichlet_component")
    if components.shape != exp_dirichlet.shape or not components.size:
        raise ArtifactError(
            path,
            f"components {components.shape} and exp_dirichlet_component {exp_dirichlet.shape}"
            " must have one shape, with at least one topic and one word",
        )
    totals = components.sum(axis=1)
    if not (components >= 0).all() or not (totals > 0).all():
        raise ArtifactError(path, "components must not be negative, and no topic may be empty")
    return Lda(
        word_index=_word_index(value[0], path, components.shape[1]),
        components=components,
        exp_dirichlet=exp_dirichlet,
        topic_totals=totals,
        doc_topic_prior=_prior(value[3], path),
    )


def write_lda(
    path: Path,
    words: Sequence[str],
    components: NDArray[np.float64],
    exp_dirichlet: NDArray[np.float64],
    doc_topic_prior: float,
) -> None:
    """Write a model; the same values give the same bytes."""
    value = (list(words), components, exp_dirichlet, float(doc_topic_prior))
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        pickle.dump(value, packed, protocol=PICKLE_PROTOCOL)


def _matrix(value: object, path: Path, what: str) -> NDArray[np.float64]:
    matrix = to_array(value, path, what)
    if matrix.ndim != 2 or matrix.dtype.kind != "f":  # noqa: PLR2004 - topics and words
        raise ArtifactError(path, f"{what} must be a matrix of floats")
    if not all_finite(matrix):
        raise ArtifactError(path, f"{what} holds numbers that are not finite")
    return matrix.astype(np.float64, copy=False)


def _word_index(value: Any, path: Path, size: int) -> dict[str, int]:
    if isinstance(value, ArrayRecord):
        value = to_array(value, path, "vocabulary").tolist()
    if isinstance(value, (list, tuple)):
        value = {word: column for column, word in enumerate(value) if isinstance(word, str)}
    if not isinstance(value, dict):
        raise ArtifactError(path, f"vocabulary is no list of words but {type(value).__name__}")
    if sorted(value.values(), key=_as_column) != list(range(size)):
        raise ArtifactError(
            path, f"vocabulary has {len(value)} different words in columns unlike 0 to {size - 1}"
        )
    if not all(isinstance(word, str) for word in value):
        raise ArtifactError(path, "vocabulary holds keys that are no words")
    return dict(value)


def _as_column(value: object) -> int:
    return value if isinstance(value, int) else -1


def _prior(value: object, path: Path) -> float:
    if isinstance(value, ArrayRecord):
        numbers = to_array(value, path, "doc_topic_prior").ravel().tolist()
        value = numbers[0] if len(numbers) == 1 else numbers
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArtifactError(path, f"doc_topic_prior is no number but {type(value).__name__}")
    if not 0 < value <= MAX_PRIOR:
        raise ArtifactError(path, f"doc_topic_prior is {shorten(value)}: it must be above 0")
    return float(value)
