"""Stems of English words: Porter's algorithm of 1980 with NLTK's extensions, as pke stems.

It is what a TopicalPageRank model made by pke was trained with. It differs from Porter's own later
version, which Search uses, in some irregular words and in short ones (`ice`, `pay`, `dies`). Other
languages are for `stemming`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

IRREGULAR = {
    "skies": "sky", "sky": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news",
    "innings": "inning", "inning": "inning", "outings": "outing", "outing": "outing",
    "cannings": "canning", "canning": "canning", "howe": "howe", "proceed": "proceed",
    "exceed": "exceed", "succeed": "succeed",
}  # fmt: skip
# Suffix and what takes its place, if the stem has a syllable. The first that fits decides.
SECOND = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"),
    ("bli", "ble"), ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"),
    ("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"), ("iveness", "ive"),
    ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"), ("iviti", "ive"), ("biliti", "ble"),
    ("fulli", "ful"),
)  # fmt: skip
THIRD = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""),
    ("ness", ""),
)  # fmt: skip
FOURTH = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
)  # fmt: skip


def stem_english(word: str) -> str:
    """The stem of a word, in lower case."""
    word = word.lower()
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) <= 2:  # noqa: PLR2004 - nothing to take away
        return word
    word = _without_y(_without_past(_without_plural(word)))
    word = _replaced(_without_adverb(word), THIRD)
    return _without_double_l(_without_e(_without_ending(word)))


def _consonants(word: str) -> list[bool]:
    """For each letter whether it is a consonant; `y` is one at the start and after a vowel."""
    found: list[bool] = []
    for letter in word:
        after_consonant = bool(found) and found[-1]
        found.append(not after_consonant if letter == "y" else letter not in "aeiou")
    return found


def _syllables(word: str) -> int:
    """How often a consonant follows a vowel."""
    return sum(here and not before for before, here in pairwise(_consonants(word)))


def _is_short(word: str) -> bool:
    """Whether it ends in consonant, vowel and consonant, or is a vowel and a consonant."""
    match _consonants(word)[-3:]:
        case [True, False, True]:
            return word[-1] not in "wxy"
        case [False, True]:
            return True
    return False


def _without_plural(word: str) -> str:
    if word.endswith("ies"):
        return word[:-1] if len(word) == len("dies") else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _without_past(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == len("died") else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _syllables(word[:-3]) else word
    for ending in ("ed", "ing"):
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            if all(_consonants(stem)):
                return word
            return _completed(stem)
    return word


def _completed(stem: str) -> str:
    """What remains of a verb, with the `e` it had or without the letter that was doubled."""
    if stem.endswith(("at", "bl", "iz")):
        return f"{stem}e"
    if len(stem) > 1 and stem[-1] == stem[-2] and _consonants(stem)[-1]:
        return stem if stem[-1] in "lsz" else stem[:-1]
    return f"{stem}e" if _syllables(stem) == 1 and _is_short(stem) else stem


def _without_y(word: str) -> str:
    stem = word[:-1]
    return f"{stem}i" if word.endswith("y") and len(stem) > 1 and _consonants(stem)[-1] else word


def _without_adverb(word: str) -> str:
    if word.endswith("alli") and _syllables(word[:-4]):
        return _replaced(word[:-2], SECOND)
    if word.endswith("logi"):
        return word[:-1] if _syllables(word[:-3]) else word
    return _replaced(word, SECOND)


def _replaced(word: str, rules: Sequence[tuple[str, str]]) -> str:
    for ending, instead in rules:
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            return stem + instead if _syllables(stem) else word
    return word


def _without_ending(word: str) -> str:
    for ending in FOURTH:
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            fits = _syllables(stem) > 1 and (ending != "ion" or stem[-1] in "st")
            return stem if fits else word
    return word


def _without_e(word: str) -> str:
    stem = word[:-1]
    if not word.endswith("e") or not stem:
        return word
    syllables = _syllables(stem)
    return stem if syllables > 1 or (syllables == 1 and not _is_short(stem)) else word


def _without_double_l(word: str) -> str:
    return word[:-1] if word.endswith("ll") and _syllables(word[:-1]) > 1 else word
