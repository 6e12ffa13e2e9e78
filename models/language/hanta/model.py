"""What tagging needs of a model of HanTa, as arrays.

The library keeps hundreds of thousands of Python objects. Every use writes their reference counts,
so each forked worker would copy their pages. Arrays are only read. `reading` makes them; what they
mean is in Wartena 2019, "A Probabilistic Morphology Model for German Lemmatization".

Tags of words have the library's order, since ties go to the first. Of the tags of morphemes the
open ones, which unknown morphemes may have, come first. Log probabilities are natural logarithms.
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
    """How probable each tag of a word is after the tags of the two words before it.

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

    `log_probs` are p(word | tag) over p(tag); there is one array for each case of the first letter,
    as `words.ANY_CASE`, `LOWER` and `UPPER` count them.
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
    """How probable each morpheme is after the two before it. State 0 is a word's start.

    `edges[state]` lead to the next states: (state, its morpheme's tag, log probability);
    `morphemes[state]` is that tag. `exits[state]` end a word: (the word's tag, log probability).
    They are tuples, which take half as long to go through as arrays; since there are only hundreds,
    a worker that reads them all copies only a hundred KiB.
    """

    edges: tuple[tuple[tuple[int, int, float], ...], ...]
    exits: tuple[tuple[tuple[int, float], ...], ...]
    morphemes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HantaModel:
    """One model. `case_log_probs` has an array by tag for each case of a word's first letter."""

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
