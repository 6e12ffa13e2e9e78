"""What tagging needs of a model of HanTa, as arrays.

The library keeps hundreds of thousands of Python objects, whose reference counts are written
whenever they are used: each forked worker would copy their pages. Arrays are only read.
`reading` makes them; what they mean is in Wartena 2019, "A Probabilistic Morphology Model for
German Lemmatization".

Tags of words are numbered as the library goes through them, those of morphemes so that the open
ones, which unknown morphemes may have, are the first. Log probabilities are natural logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.language.hanta.guesses import Guesser
    from models.language.hanta.letter_tree import LetterTree
    from models.language.hanta.word_index import WordIndex


@dataclass(frozen=True, slots=True)
class Transitions:
    """Which tag follows which two, for words. Tags are numbered as HanTa goes through them.

    With n tags, the state after tags a and b is a * n + b; START_TAG is n. `log_probs` from
    `places[state]` on are those of the n tags and the sentence's end.
    """

    tag_count: int
    start_place: int
    places: memoryview[int]
    log_probs: memoryview[float]


@dataclass(frozen=True, slots=True)
class KnownWords:
    """Tags of frequent words: those of row r are from `firsts[r]` to `firsts[r + 1]`.

    `log_probs` are p(word | tag) over p(tag) for each way to look at the first letter's case.
    """

    rows: WordIndex
    firsts: memoryview[int]
    tags: memoryview[int]
    log_probs: tuple[memoryview[float], ...]


@dataclass(frozen=True, slots=True)
class Morphemes:
    """Known parts of words; the tags of row r of `tree` are from `firsts[r]` to `firsts[r + 1]`."""

    tree: LetterTree
    firsts: memoryview[int]
    tags: memoryview[int]
    log_probs: memoryview[float]


@dataclass(frozen=True, slots=True)
class Grammar:
    """Which morpheme follows which two. State 0 is a word's start.

    `edges[state]` lead on: (state, its morpheme's tag, log probability); `morphemes[state]` is that
    tag. Words end by `exits[state]`: (the word's tag, log probability). Tuples, since there are
    only hundreds: a worker that reads them all copies a hundred KiB, and going through them takes
    half as long as through arrays.
    """

    edges: tuple[tuple[tuple[int, int, float], ...], ...]
    exits: tuple[tuple[tuple[int, float], ...], ...]
    morphemes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HantaModel:
    """One model. `case_log_probs` are of each way to look at a first letter's case, by tag."""

    tags: tuple[str, ...]
    transitions: Transitions
    known: KnownWords
    morphemes: Morphemes
    guesser: Guesser
    grammar: Grammar
    case_log_probs: tuple[memoryview[float], ...]
    tag_log_probs: memoryview[float]

    @property
    def morpheme_tags(self) -> int:
        """How many tags morphemes have."""
        return max(self.grammar.morphemes) + 1
