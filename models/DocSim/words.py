"""From a text to the words that are compared.

As gensim's `simple_preprocess`, which models are trained with: runs of letters, in lower case, of
2 to `max_chars` characters. Digits are no letters, so `5g` and `co2`, which say a lot, are spelt
out first and come back as words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

MIN_TOKEN_CHARS = 2
SPELT_OUT = {"5g": "fuenfg", "co2": "cozwei"}
_WORDS_AGAIN = {spelt: word for word, spelt in SPELT_OUT.items()}
_LETTERS = re.compile(r"[^\W\d]+")


def words_of(text: str, max_chars: int) -> list[str]:
    """All words of a text in order, `5g` and `co2` among them."""
    text = text.lower()
    for word, spelt in SPELT_OUT.items():
        text = text.replace(word, spelt)
    return [_WORDS_AGAIN.get(word, word) for word in simple_words(text, max_chars)]


def simple_words(text: str, max_chars: int) -> list[str]:
    """What `simple_preprocess(text, max_len=max_chars)` of gensim gives."""
    return [
        word
        for word in _LETTERS.findall(text.lower())
        if MIN_TOKEN_CHARS <= len(word) <= max_chars and not word.startswith("_")
    ]


def known_words(
    words: list[str], vocabulary: Collection[str], stop_words: Collection[str]
) -> list[str]:
    """The words that count: in the vocabulary and no stop words, as the vocabulary spells them.

    Older models write `5G` where newer ones write `5g`.
    """
    known = []
    for word in words:
        if word in stop_words:
            continue
        if word in vocabulary:
            known.append(word)
        elif word in SPELT_OUT and word.upper() in vocabulary:
            known.append(word.upper())
    return known
