"""Strings found letter by letter, in a handful of objects: a trie in one string and two arrays.

A walk from each place in a word finds all known parts of the word, and stops as soon as no string
goes on. Reading writes nothing, so a process and its forks share all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

ROOT = 0


class LetterTree:
    """A tree whose nodes are the beginnings of some strings; node 0 is the empty beginning.

    Nodes are numbered level by level, so the children of a node follow each other: those of node k
    are `starts[k] + 1` to `starts[k + 1]`, and `letters[k - 1]` leads to node k. So the child by a
    letter is `letters.find(letter, starts[k], starts[k + 1]) + 1`, which is the root if there is
    none. `rows[node]` is the row of the string that ends there, -1 if none does.
    """

    letters: str
    starts: memoryview[int]
    rows: memoryview[int]
    _steps: NDArray[np.int64]

    def __init__(self, strings: Sequence[str]) -> None:
        """Build the tree of different strings; their rows are their places in the sequence."""
        order = sorted(range(len(strings)), key=strings.__getitem__)
        codes, lengths = _codes([strings[row] for row in order])
        shared = _shared_letters(codes, lengths)
        ends = np.zeros(len(strings), np.int64)
        letters, parents = [np.empty(0, np.uint32)], [np.empty(0, np.int64)]
        nodes = 1
        for depth in range(1, codes.shape[1] + 1):
            new = (shared < depth) & (lengths >= depth)
            here = nodes - 1 + np.cumsum(new)
            letters.append(codes[new, depth - 1])
            parents.append(ends[new])
            ends[lengths >= depth] = here[lengths >= depth]
            nodes += int(new.sum())
        rows = np.full(nodes, -1, np.int32)
        rows[ends] = order
        starts = np.searchsorted(np.concatenate(parents), np.arange(nodes + 1))
        self.letters = np.concatenate(letters).tobytes().decode(_ENCODING, "surrogatepass")
        self.starts = starts.astype(np.int32).data
        self.rows = rows.data
        # Parent and letter of each node as one number; these rise, as nodes are numbered so.
        above = np.repeat(np.arange(nodes), np.diff(starts))
        self._steps = (above << _CODE_BITS) | np.concatenate(letters)

    def beginnings(self, word: str, start: int) -> Iterator[tuple[int, int]]:
        """The tree's strings that are in `word` from `start` on: (end, row), short ones first."""
        find, starts, rows, node = self.letters.find, self.starts, self.rows, ROOT
        for end in range(start + 1, len(word) + 1):
            node = find(word[end - 1], starts[node], starts[node + 1]) + 1
            if node == ROOT:
                return
            if rows[node] >= 0:
                yield end, rows[node]

    def step(self, nodes: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The child of each node by the code point of a letter, the root where there is none."""
        wanted = (nodes << _CODE_BITS) | codes
        places = np.searchsorted(self._steps, wanted)
        found = self._steps[np.minimum(places, len(self._steps) - 1)] == wanted
        return np.where(found, places + 1, ROOT)


_ENCODING = "utf-32-le"
_CODE_BITS = 21


def _codes(strings: Sequence[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """*Shapes*: code points (n, longest), 0 beyond a string's end; lengths (n,)."""
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    codes = np.zeros((len(strings), int(lengths.max(initial=0))), np.uint32)
    joined = "".join(strings).encode(_ENCODING, "surrogatepass")
    codes[np.arange(codes.shape[1]) < lengths[:, None]] = np.frombuffer(joined, "<u4")
    return codes, lengths


def _shared_letters(codes: NDArray[Any], lengths: NDArray[Any]) -> NDArray[Any]:
    """How many letters each string begins with as the one before it; -1 for the first."""
    shared = np.full(len(codes), -1, np.int64)
    if len(codes) > 1:
        same = np.logical_and.accumulate(codes[1:] == codes[:-1], axis=1).sum(axis=1)
        shared[1:] = np.minimum(same, np.minimum(lengths[1:], lengths[:-1]))
    return shared
