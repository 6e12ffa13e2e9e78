"""Which words a tokenizer takes apart: abbreviations, `5G`, `Bürger:innen`, `"Bild"-Zeitung`.

`unusual_words` finds them in a text, says how each is shown, and as which word a tagger that has
never seen it should tag it: `Bürger:innen` as `Bürgerinnen`. Making them tokens is for
`whole_words`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ABBREVIATIONS = (
    "z. B.", "Z. B.", "z. Bsp.", "z. T.", "Z. T.", "z. Zt.", "z. Z.", "z. Hd.", "d. h.", "D. h.",
    "u. a. m.", "u. v. a. m.", "u. v. m.", "u. v. a.", "u. a.", "U. a.", "u. U.", "U. U.",
    "u. Ä.", "u. ä.", "o. Ä.", "o. ä.", "o. g.", "O. g.", "o. a.", "o. k.", "i. d. R.", "I. d. R.",
    "i. d. S.", "i. e. S.", "i. w. S.", "i. S. d.", "i. S. v.", "i. V. m.", "i. H. v.", "i. A.",
    "i. V.", "i. R.", "i. Allg.", "i. Tr.", "a. a. O.", "a. D.", "a. M.", "e. V.", "e. G.",
    "m. E.", "m. a. W.", "m. W.", "n. Chr.", "v. Chr.", "n. u. Z.", "v. u. Z.", "v. a.", "V. a.",
    "v. l. n. r.", "v. H.", "s. o.", "S. o.", "s. u.", "S. u.", "s. a.", "b. w.", "u. s. w.",
    "u. s. f.", "p. a.", "h. c.", "k. A.", "d. J.", "d. M.",
)  # fmt: skip
"""Written with spaces or without. They stand for adverbs, or for what is no part of a phrase."""
_AN_ADVERB = "beispielsweise"
_NETWORK = {"de": "Netz", "en": "network", "nl": "netwerk"}
QUOTES = "\"'„“”»«\u201a\u2018\u2019\u203a\u2039"

_SHORT = "|".join(
    r"\s?".join(map(re.escape, each.split()))
    for each in sorted(_ABBREVIATIONS, key=len, reverse=True)
)
_STEM = r"(?<!\w)(?P<stem>[A-ZÄÖÜ](?:[^\W\d_]|-(?=\w)){1,60})"
_QUOTED = rf"(?:(?<!\w)[{QUOTES}])?(?<!\w)(?P<quoted>\w(?:[\w.&-]{{0,58}}\w)?)[{QUOTES}]"
# Each kind of word with a hint that is found much faster: most texts have none of them. Repetitions
# are bounded, so that no place of a text is read more than some hundred times.
_IN_ALL_LANGUAGES = {
    r"\d[GK](?!\w)": r"(?<![\w.,:/-])(?P<net>\d{1,2}[GK])(?![\w/-])",
    r"CO\ 2": r"(?<!\w)(?P<gas>CO\ 2(?:-[^\W\d_][\w-]{0,60})?)(?![\w.,:]*\d)",
}
_IN_GERMAN = _IN_ALL_LANGUAGES | {
    r"\dg(?!\w)": r"(?<![\w.,:/-])(?P<gram>\d{1,4}g)(?![\w/-])",
    r"\.\s?\w{1,5}\.": rf"(?<![\w.])(?P<short>{_SHORT})",
    r"[:*_·/]-?in": _STEM + r"(?:[:*_·]|/-?)(?P<women>innen[^\W\d_]{0,60}|in(?!\w))",
    r"\(in(?:nen)?\)": r"(?<!\w)(?P<stem>[A-ZÄÖÜ][^\W\d_]{1,60})\((?P<women>innen|in)\)(?!\w)",
    r"[:*_]\w\w?(?!\w)": r"(?<!\w)(?P<start>[^\W\d_]{2,20})[:*_](?P<end>[rnmse]|e[nmrs])(?!\w)",
    rf"[{QUOTES}]-\w": _QUOTED + r"-(?P<rest>\w(?:[\w-]{0,58}\w)?)(?!\w)",
    r"[€$%£]-": r"(?<!\w)(?P<price>\d[\d.,]{0,12}-?[€$%£]-)(?P<noun>[^\W\d_][\w-]{0,60})",
}
_GERMAN, _OTHER = (
    [(re.compile(hint), re.compile(pattern)) for hint, pattern in patterns.items()]
    for patterns in (_IN_GERMAN, _IN_ALL_LANGUAGES)
)


class Word(NamedTuple):
    """A word that must be one token, from `start` to `end` of the text."""

    start: int
    end: int
    shown: str
    tagged_as: str | None
    """The word it should be tagged as, None: as itself."""


def unusual_words(text: str, language: str) -> list[Word]:
    """The words to keep whole, in their order. Takes time in proportion to the text."""
    found = [
        Word(each.start(), each.end(), *_read(each, language))
        for hint, pattern in (_GERMAN if language == "de" else _OTHER)
        if hint.search(text)
        for each in pattern.finditer(text)
    ]
    found.sort()
    words: list[Word] = []
    for word in found:
        if not words or word.start >= words[-1].end:
            words.append(word)
    return words


def _read(found: re.Match[str], language: str) -> tuple[str, str | None]:
    """How a word is shown, and what it is tagged as."""
    word = found[0]
    match found.lastgroup:
        case "net":
            forms = word, _NETWORK.get(language)
        case "gas":
            forms = word.replace(" ", ""), None
        case "gram":
            forms = word, "Gramm"
        case "short":
            forms = "".join(word.split()), _AN_ADVERB
        case "women":
            forms = word, found["stem"] + found["women"]
        case "end":
            forms = word, f"{found['start'].removesuffix('e')}e{found['end'].removeprefix('e')}"
        case "rest":
            forms = f"{found['quoted']}-{found['rest']}", found["rest"]
        case _:
            forms = word, found["noun"]
    return forms
