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
from models.mapped.vocabulary import MappedVocabulary
from models.pickles import read_pickle, to_array
from models.records import ArrayRecord, Inert, all_finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FEW_WORDS = 16
ROWS_AT_ONCE = 4096
SEVERAL, MANY_WORDS = 4, 256
"""Bounds of the faster way to add words up: at least so many texts, of at most so many words."""
UNITS_AT_ONCE = 32
"""So many vectors in double precision fit into the processor's cache."""
_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# gensim's lists of attributes kept in files of their own: arrays, and objects with such arrays.
_ARRAYS, _OBJECTS = "__numpys", "__recursive_saveloads"


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Words and their vectors. *Shape* of vectors: (words, dimensions), read-only float32."""

    index: Mapping[str, int]
    vectors: NDArray[np.float32]

    def rows(self, words: Sequence[str]) -> list[int]:
        """The rows of words, -1 for those that are not in the vocabulary."""
        if isinstance(self.index, MappedVocabulary):
            if len(words) <= FEW_WORDS:
                return [self.index.find(word) for word in words]
            return self.index.find_all(words)
        return [self.index.get(word, -1) for word in words]

    def zeros(self) -> NDArray[np.float32]:
        """The sum of no vectors."""
        return np.zeros(self.vectors.shape[1], np.float32)

    def mean(self, words: Sequence[str]) -> NDArray[np.float32]:
        """The mean vector of words that are all in the vocabulary, scaled to length 1."""
        rows = np.array([self.index[word] for word in words], np.intp)
        mean: NDArray[np.float32] = self.means(rows, np.array([len(rows)]))[0]
        return mean

    def means(self, rows: NDArray[np.intp], counts: NDArray[np.intp]) -> NDArray[np.float32]:
        """The mean vector of each text, scaled to length 1; zeros for a text of no words.

        `rows` are those of the first text's words, then the second's; `counts` how many each has.
        *Shape*: (texts, dimensions).
        """
        vectors = np.asarray(self.vectors)  # a memmap makes each of its slices a slow object
        longest_first = np.argsort(-counts, kind="stable")
        places = (np.cumsum(counts) - counts)[longest_first]
        lengths = counts[longest_first]
        sums = _sums(vectors, rows, places, lengths)
        sums /= np.maximum(lengths, 1).astype(np.float32)[:, None]
        means = np.empty_like(sums)
        for start in range(0, len(sums), UNITS_AT_ONCE):
            block = slice(start, start + UNITS_AT_ONCE)
            means[longest_first[block]] = unit(sums[block])
        return means


def _sums(
    vectors: NDArray[np.float32],
    rows: NDArray[np.intp],
    places: NDArray[np.intp],
    lengths: NDArray[np.intp],
) -> NDArray[np.float32]:
    """The sum of each text's rows, added one after the other as gensim does.

    The last digit of a float32 sum depends on that order. The texts are sorted, the longest first,
    and all of them get their next word in one operation, as long as several have one. What the
    longest have left is added text by text.
    """
    sums = np.zeros((len(lengths), vectors.shape[1]), np.float32)
    word = 0
    while (texts := int(np.searchsorted(-lengths, -word))) >= SEVERAL and word < MANY_WORDS:
        sums[:texts] += vectors.take(rows[places[:texts] + word], 0)
        word += 1
    for total, place, length in zip(sums, places[:texts], lengths, strict=False):
        _add_rows(total, vectors, rows[place + word : place + length])
    return sums


def _add_rows(
    total: NDArray[np.float32], vectors: NDArray[np.float32], rows: NDArray[np.intp]
) -> None:
    """Add rows to `total` one after the other."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        chunk = vectors.take(rows[start : start + ROWS_AT_ONCE], 0)
        chunk[0] += total
        if len(total) > 1:
            np.add.reduce(chunk, 0, out=total)  # along the slow axis: in order
        else:
            total[:] = np.add.accumulate(chunk)[-1]  # the only axis would be added by pairs


def similarity(one: NDArray[np.float32], other: NDArray[np.float32]) -> np.float32:
    """The cosine of two vectors of length 1."""
    return np.float32(np.dot(one, other))


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row scaled to length 1; rows of zeros stay.

    The same to the last bit as gensim: it takes the length by BLAS's dnrm2, which sums in the
    machine's long double; it divides in double precision, and rounds at the end.
    """
    squares = np.square(vectors, dtype=np.float64)  # exact
    lengths = np.sqrt(squares.sum(axis=1, dtype=np.longdouble)).astype(np.float64)
    factors = 1.0 / np.where(lengths > 0, lengths, 1.0)
    return (vectors * factors[:, None]).astype(np.float32)


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
