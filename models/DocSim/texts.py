"""From many texts to their vectors, in one go.

Reads all texts as one, looks every different word up once, and leaves sums and lengths to
`vectors`. A text's vector is the same to the last bit whatever texts it comes with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.DocSim.vectors import unit
from models.DocSim.words import END, SPELT_OUT, runs_of_letters, words_by_run
from models.text import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from models.DocSim.params import DocSimParams
    from models.DocSim.vectors import WordVectors

TEXTS_AT_ONCE = 512
"""At most so many texts are in memory as vectors at a time."""

FEW_RUNS = 64
UNKNOWN, END_ROW = -1, -2
"""What stands instead of a row: for a word without one, and for the end of a text."""


@dataclass(frozen=True, slots=True)
class TextVectors:
    """The vectors of some texts, of length 1. *Shape*: (texts, dimensions)."""

    units: NDArray[np.float32]
    counts: NDArray[np.intp]
    """How many known words each text has. Without any, its vector is zeros."""


class TextReader:
    """Makes vectors of texts as the parameters of a model want it."""

    def __init__(self, params: DocSimParams, vectors: WordVectors) -> None:
        self._params = params
        self._vectors = vectors

    def first(self, texts: Sequence[str]) -> TextVectors:
        """The vectors of queries, or of the first texts of pairs."""
        return self._read(texts, spells_out=True)

    def second(self, texts: Sequence[str]) -> TextVectors:
        """The vectors of documents, or of the second texts of pairs."""
        return self._read(texts, spells_out=not self._params.is_one_sided)

    def pairs(
        self, firsts: Sequence[str], seconds: Sequence[str]
    ) -> tuple[TextVectors, TextVectors]:
        """The vectors of the first and of the second texts of pairs."""
        if self._params.is_one_sided:
            return self.first(firsts), self.second(seconds)
        both, half = self.first([*firsts, *seconds]), len(firsts)
        return (
            TextVectors(both.units[:half], both.counts[:half]),
            TextVectors(both.units[half:], both.counts[half:]),
        )

    def cleaned(self, text: str) -> str:
        """The text as its words are looked for: cleaned, where the parameters say so."""
        return clean(text) if self._params.cleans else text

    def known_words(self, text: str, *, stops: bool = True) -> dict[str, int]:
        """The known words of a text, each with its row; `stops` leaves stop words out."""
        words = self._words(
            set(runs_of_letters([self.cleaned(text)], spells_out=True)), stops=stops
        )
        return {words[run]: row for run, row in self._rows(words).items() if row != UNKNOWN}

    def _read(self, texts: Sequence[str], *, spells_out: bool) -> TextVectors:
        if self._params.cleans:
            texts = [clean(text) for text in texts]
        runs = runs_of_letters(texts, spells_out=spells_out)
        row_of = dict.fromkeys(runs, UNKNOWN)
        row_of |= self._rows(self._words(row_of, spells_out=spells_out))
        row_of[END] = END_ROW
        if len(runs) <= FEW_RUNS:
            return self._few([row_of[run] for run in runs])
        rows = np.array([row_of[run] for run in runs], np.intp)
        rows = rows[rows != UNKNOWN]
        is_end = rows == END_ROW
        counts = np.diff(np.flatnonzero(is_end), prepend=-1) - 1
        return TextVectors(self._vectors.means(rows[~is_end], counts), counts)

    def _few(self, rows: Sequence[int]) -> TextVectors:
        """The same for a few words, by fewer operations: a worker with few requests stays small."""
        means, counts = [], []
        total, count = self._vectors.zeros(), 0
        for row in rows:
            if row == END_ROW:
                means.append(total / np.float32(max(count, 1)))
                counts.append(count)
                total, count = self._vectors.zeros(), 0
            elif row != UNKNOWN:
                total += self._vectors.vectors[row]
                count += 1
        if not means:
            return TextVectors(total[None, :][:0], np.array(counts, np.intp))
        return TextVectors(unit(np.array(means)), np.array(counts, np.intp))

    def _words(
        self, runs: Collection[str], *, spells_out: bool = True, stops: bool = True
    ) -> dict[str, str]:
        """Run of letters -> word, for those that are words and no stop words."""
        stop_words = self._params.stop_words if stops else frozenset[str]()
        return words_by_run(runs, self._params.max_token_chars, stop_words, spells_out=spells_out)

    def _rows(self, words: dict[str, str]) -> dict[str, int]:
        """The same with rows for words, UNKNOWN for those outside the vocabulary.

        Older models write `5G` where newer ones write `5g`.
        """
        rows = dict(zip(words, self._vectors.rows(list(words.values())), strict=True))
        for word, run in SPELT_OUT.items():
            if rows.get(run) == UNKNOWN and words[run] == word:
                rows[run] = self._vectors.rows([word.upper()])[0]
        return rows


def in_batches(count: int, size: int = TEXTS_AT_ONCE) -> Iterator[slice]:
    """Slices of at most `size` that cover `count` things."""
    return (slice(start, start + size) for start in range(0, count, size))
