"""A vocabulary in arrays: words to rows by binary search over hashes, without a dict of strings.

A dict of 40,000 words is 6 MiB that every worker would own; these arrays are mapped and shared. A
look-up takes a few microseconds and touches a handful of pages.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

HASH_BYTES = 8


def vocabulary_arrays(index: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The arrays of a vocabulary; `index` maps its n words onto 0 to n-1.

    *Shapes*: hashes (n,) rising, rows (n,) in the order of hashes, ends (n,) by row, letters (m,).
    """
    words = sorted(index, key=index.__getitem__)
    encoded = [word.encode("utf-8", "surrogatepass") for word in words]
    hashes = np.fromiter((_hash(word) for word in encoded), np.uint64, len(words))
    order = np.argsort(hashes, kind="stable")
    return {
        "hashes": hashes[order],
        "rows": order.astype(np.int32),
        "ends": np.cumsum([len(word) for word in encoded], dtype=np.int64),
        "letters": np.frombuffer(b"".join(encoded), np.uint8),
    }


class MappedVocabulary(Mapping[str, int]):
    """Word -> row, read from the arrays of `vocabulary_arrays`."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        # Views that give plain Python numbers, one at a time.
        self._hashes = arrays["hashes"].data
        self._rows = arrays["rows"].data
        self._ends = arrays["ends"].data
        self._letters = arrays["letters"].data

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        for row in range(len(self)):
            yield bytes(self._word(row)).decode("utf-8", "surrogatepass")

    def __getitem__(self, word: str) -> int:
        row = self.find(word)
        if row < 0:
            raise KeyError(word)
        return row

    def get(self, word: str, default: Any = None, /) -> Any:
        """The row of a word, `default` if it is not there."""
        row = self.find(word)
        return default if row < 0 else row

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self.find(word) >= 0

    def find(self, word: str) -> int:
        """The row of a word, -1 if it is not there; as look-ups go, the fastest."""
        encoded = word.encode("utf-8", "surrogatepass")
        wanted = _hash(encoded)
        place = bisect_left(self._hashes, wanted)
        while place < len(self._hashes) and self._hashes[place] == wanted:
            row: int = self._rows[place]
            if self._word(row) == encoded:
                return row
            place += 1
        return -1

    def _word(self, row: int) -> memoryview:
        start = self._ends[row - 1] if row else 0
        return self._letters[start : self._ends[row]]


def _hash(word: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(word, digest_size=HASH_BYTES).digest(), "little")
