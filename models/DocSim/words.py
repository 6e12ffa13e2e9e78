"""From a text to the words that are compared.

Words are those of gensim's `simple_preprocess`, with which models are trained: runs of letters, in
lower case, of 2 to `max_chars` characters. Digits are no letters. Since `5g` and `co2` say a lot,
they are spelt out in letters first and turned back into words afterwards.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

MIN_TOKEN_CHARS = 2
SPELT_OUT = {"5g": "fuenfg", "co2": "cozwei"}
_WORDS_AGAIN = {spelt: word for word, spelt in SPELT_OUT.items()}
END = "\0"
"""Stands between texts that are read as one; no text that was checked has it."""
_LETTERS = re.compile(r"[^\W\d]+")
_LATIN_1_LETTERS = bytes(byte if _LETTERS.match(chr(byte)) else ord(" ") for byte in range(256))
"""Each byte of a Latin-1 text, a space in place of what is no letter."""


def words_of(text: str, max_chars: int, *, spells_out: bool = True) -> list[str]:
    """All words of a text in order, `5g` and `co2` among them.

    Without `spells_out`: what `simple_preprocess(text, max_len=max_chars)` of gensim gives.
    """
    runs = runs_of_letters([text], spells_out=spells_out)
    words = words_by_run(runs, max_chars, spells_out=spells_out)
    return [words[run] for run in runs if run in words]


def runs_of_letters(texts: Sequence[str], *, spells_out: bool) -> list[str]:
    """The runs of letters of all texts in order, in lower case, END after each text."""
    if not texts:
        return []
    joined = END.join([text.replace(END, " ") for text in texts]).lower()
    if spells_out:
        for word, spelt in SPELT_OUT.items():
            joined = joined.replace(word, spelt)
    return f" {END} ".join([*map(_only_letters, joined.split(END)), ""]).split()


def _only_letters(text: str) -> str:
    """The runs of letters with spaces between them."""
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        return " ".join(_LETTERS.findall(text))
    # What the expression finds, in a fifth of the time; most texts are Latin-1.
    return raw.translate(_LATIN_1_LETTERS).decode("latin-1")


def words_by_run(
    runs: Collection[str],
    max_chars: int,
    stop_words: Collection[str] = frozenset(),
    *,
    spells_out: bool,
) -> dict[str, str]:
    """Each different run that is a word, and that word, without `stop_words`."""
    words = {
        run: run
        for run in runs
        if MIN_TOKEN_CHARS <= len(run) <= max_chars and run not in stop_words and run[0] != "_"
    }
    if spells_out:
        for spelt, word in _WORDS_AGAIN.items():
            words.pop(spelt, None)
            if spelt in runs and len(spelt) <= max_chars and word not in stop_words:
                words[spelt] = word
    return words
