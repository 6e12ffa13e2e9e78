"""Words to rows within one process and its forks: a hash table in one array.

Like in `models.mapped.vocabulary`, a look-up touches arrays only and writes nothing. It takes a
third of the time, since a Python string keeps its own hash. That hash is the same only in forks of
one process, so the index cannot be kept in a file.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MISSING = -1
SPARSENESS = 4
"""At least so many places per word, so that most look-ups need only one, also if they fail."""


class WordIndex:
    """The rows of different words: their places in the sequence they were given in."""

    def __init__(self, words: Sequence[str]) -> None:
        size = 1 << (SPARSENESS * len(words)).bit_length()
        self._mask = size - 1
        self._count = len(words)
        rows = np.full(size, MISSING, np.int32)
        self._rows = rows.data
        encoded = [word.encode("utf-8", "surrogatepass") for word in words]
        self._letters = b"".join(encoded)
        self._ends = np.fromiter(accumulate(map(len, encoded), initial=0), np.int32).data
        for row, word in enumerate(words):
            place = hash(word) & self._mask
            while rows[place] != MISSING:
                place = (place + 1) & self._mask
            rows[place] = row

    def __len__(self) -> int:
        return self._count

    def find(self, word: str) -> int:
        """The row of a word, MISSING if it is not there."""
        rows, ends, mask = self._rows, self._ends, self._mask
        place = hash(word) & mask
        while (row := rows[place]) != MISSING:
            encoded = word.encode("utf-8", "surrogatepass")
            if self._letters[ends[row] : ends[row + 1]] == encoded:
                return row
            place = (place + 1) & mask
        return MISSING
