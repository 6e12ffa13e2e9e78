"""How often each word is in each document of a corpus: for training, counted while it is read.

Kept as three flat arrays, since a corpus may have millions of documents. What a word is, and what
the counts are used for, is each family's matter.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray


class WordCounts:
    """Grows by one document at a time.

    Takes 4 bytes and one number of `dtype` for each different word of a document.
    """

    def __init__(self, dtype: type[np.floating[Any]] = np.float64) -> None:
        self._columns: dict[str, int] = {}
        self._indices = array("i")
        self._counts: array[float] = array(np.dtype(dtype).char)
        self._ends = array("q", [0])

    def __len__(self) -> int:
        """How many documents were counted."""
        return len(self._ends) - 1

    def add(self, *parts: tuple[Iterable[str], float]) -> None:
        """Count one document: parts of it, each with what one word of that part counts."""
        columns = self._columns
        counted: dict[int, float] = {}
        for words, weight in parts:
            for word in words:
                column = columns.setdefault(word, len(columns))
                counted[column] = counted.get(column, 0.0) + weight
        self._indices.extend(counted.keys())
        self._counts.extend(counted.values())
        self._ends.append(len(self._indices))

    def words(self) -> list[str]:
        """All different words, in the order they came."""
        return list(self._columns)

    def document_counts(self) -> Iterator[tuple[str, int]]:
        """For each word, how many documents hold it."""
        held = np.bincount(self._columns_of_counts(), minlength=len(self._columns))
        return zip(self._columns, held.tolist(), strict=True)

    def token_counts(self) -> Iterator[tuple[str, int]]:
        """For each word, its counts in all documents added up; of use where each weight is 1."""
        total = np.bincount(
            self._columns_of_counts(),
            weights=np.frombuffer(self._counts, self._counts.typecode),
            minlength=len(self._columns),
        )
        return zip(self._columns, total.astype(np.int64).tolist(), strict=True)

    def matrix(self) -> csr_matrix:
        """The counts of all words, as `words` lists them. *Shape*: (documents, words)."""
        parts = (
            np.frombuffer(self._counts, self._counts.typecode),
            self._columns_of_counts(),
            np.frombuffer(self._ends, np.int64),
        )
        return csr_matrix(parts, shape=(len(self), len(self._columns)))

    def matrix_of(self, words: Sequence[str]) -> csr_matrix:
        """The counts of `words`, each of which was counted. *Shape*: (documents, words)."""
        chosen: csr_matrix = self.matrix()[:, [self._columns[word] for word in words]]
        chosen.sort_indices()  # sums of floats depend on their order
        return chosen

    def _columns_of_counts(self) -> NDArray[np.int32]:
        return np.frombuffer(self._indices, np.int32)
