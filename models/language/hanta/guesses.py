"""How probable unknown morphemes are: estimated from their length and their last letters.

Only the tags of large classes, such as stems of nouns, have unknown morphemes: the open tags.

The parts of a word that may be unknown morphemes are in a fixed order: by start, from the word's
end to its beginning, and for each start by length. Then the parts of a word have the same places in
that order as those of any longer word, so tables made once hold what depends on lengths and places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.language.hanta.letter_tree import ROOT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.language.hanta.letter_tree import LetterTree

LONGEST_FORM = 60
"""The most letters of a word."""
LONGEST_SUFFIX = 4
LENGTHS = 25
"""The number of classes of length: 0 to 23 letters, and all above."""

# In all but the shortest words, an unknown morpheme has three letters or more.
LONGEST_SHORT_WORD = 3
SHORTEST_UNKNOWN = 3
WHOLE_WORD_PENALTY = 4.6


def shortest_guess(word_length: int) -> int:
    """The least number of letters of an unknown morpheme in a word."""
    return 1 if word_length <= LONGEST_SHORT_WORD else SHORTEST_UNKNOWN


class Guesser:
    """Unknown morphemes of one model."""

    open_count: int
    suffix_log_probs: NDArray[np.float64]
    """*Shape*: (nodes of the suffixes' tree, open tags)."""

    def __init__(
        self,
        length_log_probs: NDArray[np.float64],
        suffixes: LetterTree,
        suffix_log_probs: NDArray[np.float64],
    ) -> None:
        """Take a model's tables; `suffixes` has the suffixes spelt backwards.

        *Shapes*: length_log_probs (LENGTHS, open tags), suffix_log_probs (nodes, open tags)
        """
        self.open_count = length_log_probs.shape[1]
        self._suffixes = suffixes
        self.suffix_log_probs = suffix_log_probs
        self._length_log_probs = length_log_probs
        self._of_short_words = _part_tables(LONGEST_SHORT_WORD, length_log_probs)
        self._of_words = _part_tables(LONGEST_FORM, length_log_probs)

    def guess(self, form: str) -> list[list[float]]:
        """Log probabilities of the parts of a word, were they unknown, for each open tag.

        The word has at most LONGEST_FORM letters; the part from `start` to `end` is at
        `first_part(len(form), start) + end`.
        """
        count = len(form)
        nodes: list[int] = []
        for end in range(count, 0, -1):
            nodes += self._suffix_nodes(form, end)
        is_short = count <= LONGEST_SHORT_WORD
        places, log_probs = self._of_short_words if is_short else self._of_words
        parts = first_part(count, 0) + count + 1
        found = log_probs[:parts] + self.suffix_log_probs[np.array(nodes, np.intp)[places[:parts]]]
        found[-1:] -= WHOLE_WORD_PENALTY
        by_tag: list[list[float]] = found.T.tolist()
        return by_tag

    def length_log_probs(
        self, lengths: NDArray[np.intp], tags: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """The share of their lengths in the log probabilities of unknown morphemes."""
        found: NDArray[np.float64] = self._length_log_probs[np.minimum(lengths, LENGTHS - 1), tags]
        return found

    def suffix_letters(self, lengths: NDArray[np.intp]) -> NDArray[np.intp]:
        """How many last letters of unknown morphemes count: a suffix is shorter than they are."""
        return np.minimum(lengths - 1, LONGEST_SUFFIX)

    def suffix_nodes(self, codes: NDArray[np.int64]) -> NDArray[np.intp]:
        """The nodes of the last 0 to LONGEST_SUFFIX letters before each place of many words.

        *Shapes*: code points (words, n); nodes (words, n + 1, LONGEST_SUFFIX + 1).
        """
        words, longest = codes.shape
        found = np.zeros((words, longest + 1, LONGEST_SUFFIX + 1), np.intp)
        for letters in range(1, LONGEST_SUFFIX + 1):
            # One more letter, where the suffix without it was found and the word has one.
            before = found[:, letters:, letters - 1]
            node = self._suffixes.step(before, codes[:, : longest + 1 - letters])
            # What was not found with fewer letters is not found with more.
            whole = (node != ROOT) & (letters == 1 or (before != found[:, letters:, letters - 2]))
            found[:, :, letters] = found[:, :, letters - 1]
            found[:, letters:, letters][whole] = node[whole]
        return found

    def _suffix_nodes(self, form: str, end: int) -> list[int]:
        """The nodes of the last 0 to LONGEST_SUFFIX letters before `end`, as many as are known."""
        find, starts = self._suffixes.letters.find, self._suffixes.starts
        nodes, node = [ROOT], ROOT
        for letter in reversed(form[max(end - LONGEST_SUFFIX, 0) : end]):
            following = find(letter, starts[node], starts[node + 1]) + 1
            if following == ROOT:
                break
            nodes.append(node := following)
        return nodes + [node] * (LONGEST_SUFFIX + 1 - len(nodes))


def first_part(word_length: int, start: int) -> int:
    """The place of the parts from `start` on: that of the part up to `end` is this plus `end`."""
    shortest = shortest_guess(word_length)
    shorter = word_length - start - shortest
    return shorter * (shorter + 1) // 2 - start - shortest


def _part_tables(
    longest: int, length_log_probs: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For each part the place of its node in `guess`, and the log probabilities of its length."""
    shortest = shortest_guess(longest)
    parts = [
        (letters, length)
        for letters in range(shortest, longest + 1)
        for length in range(shortest, letters + 1)
    ]
    # A suffix is shorter than its morpheme.
    places = [
        (letters - length) * (LONGEST_SUFFIX + 1) + min(length - 1, LONGEST_SUFFIX)
        for letters, length in parts
    ]
    lengths = [min(length, LENGTHS - 1) for _, length in parts]
    return np.array(places, np.intp), length_log_probs[lengths]
