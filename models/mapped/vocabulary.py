"""A vocabulary in arrays: words to rows by binary search over hashes, without a dict of strings.

A dict of 40,000 words is 6 MiB that every worker would own; these arrays are mapped and shared. A
look-up takes a few microseconds and touches a handful of pages.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


_hash = zlib.crc32
"""Fast, and the same in every process; words that share one are told apart by their letters."""


MOST_ALIKE = 64
"""So many words may share a hash. Of a hundred million words hardly ten do, unless they were made
to, and a look-up goes through all that share one."""


def vocabulary_arrays(index: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The arrays of a vocabulary; `index` maps its n words onto 0 to n-1.

    *Shapes*: hashes (n,) rising, rows (n,) in the order of hashes, ends (n,) by row, letters (m,).
    Raises ValueError for words that could not be found quickly.
    """
    words = sorted(index, key=index.__getitem__)
    encoded = [word.encode("utf-8", "surrogatepass") for word in words]
    hashes = np.fromiter(map(_hash, encoded), np.uint32, len(words))
    order = np.argsort(hashes, kind="stable")
    if has_too_many_alike(hashes[order]):
        raise ValueError(f"more than {MOST_ALIKE} words share a hash")
    return {
        "hashes": hashes[order],
        "rows": order.astype(np.int32),
        "ends": np.cumsum([len(word) for word in encoded], dtype=np.int64),
        "letters": np.frombuffer(b"".join(encoded), np.uint8),
    }


def has_too_many_alike(hashes: NDArray[Any]) -> bool:
    """Whether more than MOST_ALIKE of rising hashes are the same."""
    return bool((hashes[MOST_ALIKE:] == hashes[:-MOST_ALIKE]).any())


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
        """The row of a word, -1 if it is not there; faster than `get`."""
        encoded = word.encode("utf-8", "surrogatepass")
        wanted = _hash(encoded)
        place = bisect_left(self._hashes, wanted)
        while place < len(self._hashes) and self._hashes[place] == wanted:
            row: int = self._rows[place]
            if self._word(row) == encoded:
                return row
            place += 1
        return -1

    def find_all(self, words: Sequence[str]) -> list[int]:
        """The rows of words as `find` gives them, for many in a fraction of its time."""
        if not words or not len(self):
            return [-1] * len(words)
        try:
            encoded = [*map(str.encode, words)]
        except UnicodeEncodeError:
            encoded = [word.encode("utf-8", "surrogatepass") for word in words]
        wanted = np.fromiter(map(_hash, encoded), np.uint32, len(words))
        lengths = np.fromiter(map(len, encoded), np.int64, len(words))
        hashes, ends = np.asarray(self._hashes), np.asarray(self._ends)
        places = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
        rows = np.where(hashes[places] == wanted, np.asarray(self._rows)[places], -1)
        starts = np.where(rows > 0, ends[np.maximum(rows - 1, 0)], 0)
        is_as_long = ends[rows] - starts == lengths
        hits = np.flatnonzero((rows >= 0) & is_as_long)
        ours = _spans(np.cumsum(lengths)[hits] - lengths[hits], lengths[hits])
        theirs = _spans(starts[hits], lengths[hits])
        differs = (
            np.frombuffer(b"".join(encoded), np.uint8)[ours] != np.asarray(self._letters)[theirs]
        )
        # Where another word has the same hash, `find` looks at all that have it.
        others = {*np.flatnonzero((rows >= 0) & ~is_as_long).tolist()}
        others |= {*np.repeat(hits, lengths[hits])[differs].tolist()}
        found: list[int] = rows.tolist()
        for place in others:
            found[place] = self.find(words[place])
        return found

    def _word(self, row: int) -> memoryview:
        start = self._ends[row - 1] if row else 0
        return self._letters[start : self._ends[row]]


def _spans(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places in all spans, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
