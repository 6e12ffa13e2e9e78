"""Whether a text is in another language than the one it should be in.

Told by stop words alone, spaCy's lists: which language's words are in the text and which are not.
It is made to be silent rather than wrong: names, titles, hashtags and a few loans are no other
language, and a text of few words is seldom told. What to do about it is for the families.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from models.language.stop_words import default_stop_words

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian",
    "nl": "Dutch", "pt": "Portuguese", "pl": "Polish", "tr": "Turkish", "ru": "Russian",
    "uk": "Ukrainian", "ar": "Arabic",
}  # fmt: skip
"""The languages that are told apart; of two that fit equally well the first is taken."""
MOST_CHARS = 1_000
"""Only so much of a text is looked at."""
_LEAST_SHARE = 0.15
_FEWEST_WORDS = 6
"""Of a shorter text nothing is said: it may be a title."""
_LEAST_WORDS, _MOST_WORDS = 7, 11
"""In a text of so many words one foreign stop word will do, if there is nothing of its own."""
_OWN_LETTERS = {"de": re.compile("[äöüß]")}
_BITS = {language: 1 << place for place, language in enumerate(NAMES)}
_WORD = re.compile(r"[^\W\d_]+['\u2019]?")


def other_language(text: str, expected: str) -> str | None:
    """The code of the language a text seems to be in, None if that is `expected` or not clear.

    None too if `expected` is not one of NAMES.
    """
    own = _BITS.get(expected)
    if own is None:
        return None
    table = _languages_by_word()
    begin = text[:MOST_CHARS].lower()
    words = [word.replace("\u2019", "'") for word in _WORD.findall(begin)]
    found = Counter(table.get(word) or table.get(word.rstrip("'"), 0) for word in words)
    n_foreign = sum(count for languages, count in found.items() if not languages & own)
    n_foreign -= found[0]
    if len(words) < _FEWEST_WORDS or n_foreign <= 2 * found[own]:
        return None
    letters = _OWN_LETTERS.get(expected)
    may_be_few = _LEAST_WORDS <= len(words) <= _MOST_WORDS and not (
        letters and letters.search(begin)
    )
    best, best_score = None, 0.0
    for language, bit in _BITS.items():
        score = 0.0 if bit == own else _score(found, own, bit, may_be_few=may_be_few)
        if score > best_score:
            best, best_score = language, score
    return best


def warning(text: str, expected: str) -> dict[str, str]:
    """What to add to an answer about a text in another language; nothing if it is in none."""
    found = other_language(text, expected)
    if found is None:
        return {}
    said = f"This text looks {NAMES[found]}; this model is for {NAMES[expected]}"
    return {"language": found, "warning": said}


def _score(found: Counter[int], own: int, other: int, *, may_be_few: bool) -> float:
    """How much speaks for the other language; 0 if it is not enough."""
    foreign = shared = native = 0
    for languages, count in found.items():
        if languages & other:
            if languages & own:
                shared += count
            else:
                foreign += count
        elif languages & own:
            native += count
    is_clear = (
        foreign >= 2  # noqa: PLR2004 - one may be a loan
        and foreign > 2 * native
        and foreign + shared / 2 >= _LEAST_SHARE * found.total()
    )
    is_likely = may_be_few and foreign and not native
    return foreign + shared / 2 - native if is_clear or is_likely else 0.0


@cache
def _languages_by_word() -> dict[str, int]:
    """Stop word -> the bits of the languages that have it.

    Single letters are left out unless they bear a mark: in lists and names they are in any text.
    """
    table: dict[str, int] = {}
    for language, bit in _BITS.items():
        for given in default_stop_words(language):
            word = given.replace("\u2019", "'")
            if _WORD.fullmatch(word) and (len(word) > 1 or not word.isascii()):
                table[word] = table.get(word, 0) | bit
    return table
