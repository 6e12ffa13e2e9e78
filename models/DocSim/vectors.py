"""Word vectors: reading them from what gensim saves, and comparing texts by them.

Reads KeyedVectors as `.save()` writes them, in one file or with arrays beside it, and pickles of
whole models (Doc2Vec, Word2Vec), of which the word vectors are taken; gensim 3 and 4. The arrays
beside are mapped, not read. Similarities are those of gensim's `n_similarity` to the last digit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, shorten
from models.pickles import read_pickle, to_array
from models.records import ArrayRecord, Inert, all_finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ROWS_AT_ONCE = 4096
_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# gensim's lists of attributes kept in files of their own: arrays, and objects with such arrays.
_ARRAYS, _OBJECTS = "__numpys", "__recursive_saveloads"


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Words and their vectors. *Shape* of vectors: (words, dimensions), read-only float32."""

    index: Mapping[str, int]
    vectors: NDArray[np.float32]

    def mean(self, words: Sequence[str]) -> NDArray[np.float32]:
        """The mean vector of words that are all in the vocabulary, scaled to length 1."""
        total = np.zeros(self.vectors.shape[1], np.float32)
        rows = [self.index[word] for word in words]
        for start in range(0, len(rows), ROWS_AT_ONCE):
            chunk = self.vectors[rows[start : start + ROWS_AT_ONCE]]
            # One row after the other, as gensim adds them: sums of float32 depend on the order.
            total = np.add.accumulate(np.vstack([total, chunk]))[-1]
        return _unit(total / np.float32(len(words)))


def similarity(one: NDArray[np.float32], other: NDArray[np.float32]) -> np.float32:
    """The cosine of two vectors of length 1."""
    return np.float32(np.dot(one, other))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    # gensim takes the length and divides in double precision, then rounds.
    exact = vector.astype(np.float64)
    length = float(np.linalg.norm(exact))
    return vector if length == 0 else (exact * (1.0 / length)).astype(np.float32)


def read_vectors(path: Path) -> WordVectors:
    """Read and check word vectors; ArtifactError says what is wrong with them."""
    keyed, prefix = _keyed_vectors(read_pickle(path), path)
    vectors = _vectors(keyed, path, prefix)
    if vectors.ndim != 2 or not vectors.size or vectors.dtype.kind != "f":  # noqa: PLR2004
        raise ArtifactError(path, f"vectors must be a matrix of floats, not {vectors.shape}")
    if not all_finite(vectors):
        raise ArtifactError(path, "vectors hold numbers that are not finite")
    index = _index(keyed, path, len(vectors))
    return WordVectors(index, vectors.astype(np.float32, copy=False))


def _keyed_vectors(value: object, path: Path) -> tuple[dict[str, Any], str]:
    """The state that holds the word vectors, and the name its files beside begin with."""
    if not isinstance(value, Inert):
        raise ArtifactError(path, f"holds no gensim model but {type(value).__name__}")
    inner = value.state.get("wv")
    if isinstance(inner, Inert):
        is_saved_apart = "wv" in _names(value.state, _OBJECTS, path)
        return inner.state, f"{path.name}.wv" if is_saved_apart else path.name
    if not value.state.keys() & {"key_to_index", "index_to_key", "index2word"}:
        raise ArtifactError(path, f"holds no word vectors but {shorten(value.qualified_name)}")
    return value.state, path.name


def _vectors(keyed: Mapping[str, Any], path: Path, prefix: str) -> NDArray[Any]:
    # A model that was once loaded from several files still lists them when pickled as one.
    names = _names(keyed, _ARRAYS, path)
    if "vectors" in keyed or "vectors" not in names:
        return to_array(keyed.get("vectors"), path, "vectors")
    beside = path.with_name(f"{prefix}.vectors.npy")
    if not beside.resolve().is_relative_to(path.parent.resolve()):
        raise ArtifactError(beside, "lies outside the artifact")
    try:
        mapped: NDArray[Any] = np.load(beside, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise ArtifactError(
            path, f"keeps its vectors in {beside.name}, which is missing"
        ) from error
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(beside, f"is no NumPy array: {shorten(str(error))}") from error
    return mapped


def _index(keyed: Mapping[str, Any], path: Path, size: int) -> dict[str, int]:
    """Word -> row, from any of the forms gensim's versions keep it in."""
    found = keyed.get("key_to_index")
    if not isinstance(found, dict):
        words = keyed.get("index_to_key", keyed.get("index2word"))
        if isinstance(words, ArrayRecord):
            words = to_array(words, path, "index_to_key").tolist()
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ArtifactError(path, "has no list of its words")
        found = {word: row for row, word in enumerate(words)}
    rows = list(found.values())
    if not all(isinstance(word, str) for word in found) or not all(type(r) is int for r in rows):
        raise ArtifactError(path, "has a vocabulary of other things than words and rows")
    if len(found) != size or sorted(rows) != list(range(size)):
        raise ArtifactError(path, f"has {len(found)} words for {size} vectors")
    return found


def _names(state: Mapping[str, Any], key: str, path: Path) -> list[str]:
    names = state.get(key, [])
    if not isinstance(names, list):
        raise ArtifactError(path, f"{key} is no list")
    for name in names:
        if not isinstance(name, str) or not _ATTRIBUTE.fullmatch(name):
            raise ArtifactError(path, f"names {shorten(name)} as an array kept beside it")
    return names
