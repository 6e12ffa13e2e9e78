"""How often each word is in each document: counted once, kept as three flat arrays."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray


class WordCounts:
    """Grows by one document after the other; 12 bytes for each different word of a document."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._indices = array("i")
        self._counts = array("d")
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, words: Iterable[str]) -> None:
        """Count one document."""
        columns = self._columns
        counted = Counter(columns.setdefault(word, len(columns)) for word in words)
        self._indices.extend(counted.keys())
        self._counts.extend(counted.values())
        self._ends.append(len(self._indices))

    def words(self) -> list[str]:
        """All words, in the order they came."""
        return list(self._columns)

    def document_counts(self) -> Iterator[tuple[str, int]]:
        """For each word, how many documents hold it."""
        held = np.bincount(self._indices_array(), minlength=len(self._columns))
        return zip(self._columns, held.tolist(), strict=True)

    def token_counts(self) -> Iterator[tuple[str, int]]:
        """For each word, how often it was counted."""
        total = np.bincount(
            self._indices_array(),
            weights=np.frombuffer(self._counts),
            minlength=len(self._columns),
        )
        return zip(self._columns, total.astype(np.int64).tolist(), strict=True)

    def matrix(self, words: Sequence[str]) -> csr_matrix:
        """The counts of `words`, each of which was counted. *Shape*: (documents, words)."""
        parts = np.frombuffer(self._counts), self._indices_array(), np.frombuffer(self._ends, int)
        counted: csr_matrix = csr_matrix(parts, shape=(len(self), len(self._columns)))
        chosen: csr_matrix = counted[:, [self._columns[word] for word in words]]
        chosen.sort_indices()  # sums of floats depend on their order
        return chosen

    def _indices_array(self) -> NDArray[np.int32]:
        return np.frombuffer(self._indices, np.int32)
