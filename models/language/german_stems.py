"""Stems of German words: Porter's Snowball algorithm for German.

From its description at https://snowballstem.org/algorithms/german/stemmer.html (the version before
2023, without `ae` for `ä`). As in NLTK, an ending counts only if all of it is inside its region, so
that a shorter ending inside the region is still found.
"""

from __future__ import annotations

import re

VOWELS = "aeiouyäöü"
MIN_LETTERS_BEFORE_R1 = 3
_REGION = re.compile(f"[{VOWELS}][^{VOWELS}]")
_BARE = str.maketrans("äöüUY", "aouuy")
_BEFORE_S, _BEFORE_ST = "bdfghklmnrt", "bdfghklmnt"


def stem_german(word: str) -> str:
    """The stem of a word, in lower case and without umlauts."""
    marked = word.lower().replace("ß", "ss")
    # U and Y stand for consonants. They are marked from left to right: a U that is marked already
    # is no vowel beside the next one.
    marked = _mark_consonants(marked)
    r1, r2 = _regions(marked)
    stem = _step_one(marked, r1)
    stem = _step_two(stem, r1)
    stem = _step_three(stem, r1, r2)
    return stem.translate(_BARE)


def _mark_consonants(word: str) -> str:
    letters = list(word)
    for at in range(1, len(letters) - 1):
        if letters[at] in "uy" and letters[at - 1] in VOWELS and letters[at + 1] in VOWELS:
            letters[at] = letters[at].upper()
    return "".join(letters)


def _regions(word: str) -> tuple[int, int]:
    """Where R1 and R2 begin: each after the first consonant that follows a vowel."""
    first = _REGION.search(word)
    if not first:
        return len(word), len(word)
    second = _REGION.search(word, first.end())
    return max(first.end(), MIN_LETTERS_BEFORE_R1), second.end() if second else len(word)


def _ending(word: str, endings: tuple[str, ...], region: int) -> str:
    """The first of `endings` (longest first) that lies in the region; empty if none does."""
    inside = word[region:]
    return next((ending for ending in endings if inside.endswith(ending)), "")


def _step_one(word: str, r1: int) -> str:
    ending = _ending(word, ("ern", "em", "er", "en", "es", "e", "s"), r1)
    rest = word.removesuffix(ending)
    if ending == "s":
        return rest if rest[-1:] and rest[-1] in _BEFORE_S else word
    if ending in ("en", "es", "e") and rest.endswith("niss"):
        return rest[:-1]
    return rest


def _step_two(word: str, r1: int) -> str:
    ending = _ending(word, ("est", "en", "er", "st"), r1)
    rest = word.removesuffix(ending)
    if ending == "st":
        return rest if len(rest) > MIN_LETTERS_BEFORE_R1 and rest[-1] in _BEFORE_ST else word
    return rest


def _step_three(word: str, r1: int, r2: int) -> str:
    ending = _ending(word, ("isch", "lich", "heit", "keit", "end", "ung", "ig", "ik"), r2)
    rest = word.removesuffix(ending)
    if ending in ("end", "ung"):
        if rest[r2:].endswith("ig") and not rest[r2:].endswith("eig"):
            return rest[:-2]
    elif ending in ("ig", "ik", "isch"):
        return word if rest[r2:].endswith("e") else rest
    elif ending in ("lich", "heit"):
        if rest[r1:].endswith(("er", "en")):
            return rest[:-2]
    elif ending == "keit":
        inner = _ending(rest, ("lich", "ig"), r2)
        return rest.removesuffix(inner)
    return rest
