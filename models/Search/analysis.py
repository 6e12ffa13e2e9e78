"""From a text to the terms it is searched by: word stems, stop words, and pieces of words.

German compounds contain other words: `Maskenpflicht` is about masks. Therefore each word, unless it
is a stop word, is also cut into overlapping pieces of four letters, with marks at its ends. Then
compounds, inflected forms and misspelt words share most of their pieces with the words they are
made of. That needs no dictionary, and works for other languages too.

Words are folded first: accents go, and in German `ae`, `oe` and `ue` become what is left of the
umlauts they stand for, so that `Gruene`, `Grune` and `Grüne` are one word.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from models.language.normal_forms import normal_form
from models.language.stemming import LANGUAGES, stemmer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

PIECE_CHARS = 4
MAX_WORD_CHARS = 64
"""Of a longer word only so many characters at its beginning are used."""
WORD, STOP_WORD, PIECE = range(3)
"""Kinds of terms."""
KINDS = (WORD, STOP_WORD, PIECE)
PREFIXES = ("", "!", "#")
"""What the terms of each kind begin with. No word begins so: terms of two kinds always differ."""

_WORD = re.compile(r"[^\W_]+")
_GROUPED = re.compile(r"(?<=\d)[.,'](?=\d{3}(?!\d))")
_EDGE = "_"
# After a vowel or a q they are no umlaut: neue, Steuer, Quelle. Elsewhere they may be none either
# (aktuell, Israel), which does no harm: such a word is folded alike wherever it stands.
_DIGRAPH = re.compile(r"(?<![aeiouyq])([aou])e")


class Analyser:
    """Terms of texts in one language."""

    def __init__(
        self, language: str, stop_words: Collection[str], *, folds_words: bool = True
    ) -> None:
        """`folds_words` is false for indexes made before words were folded."""
        self._fold: Callable[[str], str] = str
        if folds_words:
            self._fold = _fold_german if language == "de" else bare
            stop_words = frozenset(map(self._fold, stop_words))
        self._stop_words = stop_words
        self._stem: Callable[[str], str] = stemmer(language) if language in LANGUAGES else str.lower

    def terms(self, word: str, kind: int) -> list[str]:
        """The terms of one kind of a word as `words_of` gives it; the same term may come twice."""
        word = self._fold(word)
        if word in self._stop_words:
            return [PREFIXES[STOP_WORD] + word] if kind == STOP_WORD else []
        if kind == WORD:
            return [self._stem(word)]
        return pieces(word) if kind == PIECE else []

    def is_stop_word(self, word: str) -> bool:
        """Whether a word says little."""
        return self._fold(word) in self._stop_words


def words_of(text: str) -> list[str]:
    """Runs of letters and digits in lower case: `5g`, `co2` and years among them.

    Digits in groups are one number, `10.000` is `10000`; compatible forms are one, `CO₂` is `co2`.
    """
    text = normal_form("NFKC", text).lower()
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(_GROUPED.sub("", text))]


def pieces(word: str) -> list[str]:
    """The overlapping pieces of a word without its accents."""
    marked = f"{_EDGE}{bare(word)}{_EDGE}"
    last = max(len(marked) - PIECE_CHARS, 0)
    prefix = PREFIXES[PIECE]
    return [prefix + marked[start : start + PIECE_CHARS] for start in range(last + 1)]


def bare(word: str) -> str:
    """A word without accents; `ß` is `ss`."""
    if word.isascii():
        return word
    apart = normal_form("NFD", word.replace("ß", "ss"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _fold_german(word: str) -> str:
    return _DIGRAPH.sub(r"\1", bare(word))
