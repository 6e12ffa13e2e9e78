"""Words that a tokenizer takes apart, or ends wrongly: abbreviations, `5G`, `Bürger:innen`, `CO2.`.

spaCy splits `z. B.` and `Bürger:innen`, and leaves the full stop of a sentence at `CO2.`. `whole`
puts such words together and cuts off that full stop. Which words these are is for `word_patterns`,
parts of speech for the tagger. Work is in proportion to the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spacy.tokens import Doc

from models.language.word_patterns import QUOTES, unusual_words

if TYPE_CHECKING:
    from models.language.word_patterns import Word

TAGGED_AS = "tagged_as"
"""The key in a document's `user_data`: word -> the word it is tagged as."""

# A full stop behind a digit, which spaCy leaves there because it may mean an ordinal number, or
# behind a name such as H2O.
_NUMBER_AND_STOP = re.compile(r"\d[A-Z]?\.(?![\w.])")
_NAME_AND_STOP = re.compile(r"(?=.*[^\W\d_]).*\d\.|[^\W_]*\d[A-Z]\.")
_YEAR_AND_STOP = re.compile(r"(?!\d\d00)(?:1\d|20)\d\d\.")
_LONG_AND_STOP = re.compile(r"\d{3,}\.|\d{1,3}(?:\.\d{3})+\.")


def whole(doc: Doc, language: str) -> Doc:
    """The document with whole words for tokens; itself if nothing is to be done.

    What words are tagged as is in its `user_data`, under TAGGED_AS.
    """
    text = doc.text
    words = unusual_words(text, language)
    has_stops = language == "de" and _NUMBER_AND_STOP.search(text) is not None
    if not words and not has_stops:
        return doc
    shown, spaces = _joined(doc, text, words)
    if has_stops:
        shown, spaces = _without_stops(shown, spaces)
    tagged_as = {word.shown: word.tagged_as for word in words if word.tagged_as}
    return Doc(doc.vocab, shown, spaces, user_data={TAGGED_AS: tagged_as})


def _joined(doc: Doc, text: str, words: list[Word]) -> tuple[list[str], list[bool]]:
    """The tokens with each of `words` in one, and which of them a space follows."""
    shown: list[str] = []
    spaces: list[bool] = []
    left = iter(words)
    word = next(left, None)
    for token in doc:
        start, end = token.idx, token.idx + len(token)
        while start < end:
            if word is None or start < word.start:
                cut = end if word is None else min(end, word.start)
                shown.append(text[start:cut])
                spaces.append(False)
            else:
                if start == word.start:
                    shown.append(word.shown)
                    spaces.append(False)
                cut = min(end, word.end)
                if cut == word.end:
                    word = next(left, None)
            start = cut
        spaces[-1] = bool(token.whitespace_)
    return shown, spaces


def _without_stops(words: list[str], spaces: list[bool]) -> tuple[list[str], list[bool]]:
    """The tokens with the full stop of a sentence apart from the name or number before it."""
    last = max((place for place, word in enumerate(words) if word.strip(QUOTES + ")")), default=-1)
    shown: list[str] = []
    followed: list[bool] = []
    for place, (word, space) in enumerate(zip(words, spaces, strict=True)):
        if word.endswith(".") and _ends_sentence(word, is_last=place == last):
            shown += word[:-1], "."
            followed += False, space
        else:
            shown.append(word)
            followed.append(space)
    return shown, followed


def _ends_sentence(word: str, *, is_last: bool) -> bool:
    """Whether the full stop is not the word's own, as it is in `2.` and `Nr.`."""
    return bool(
        _NAME_AND_STOP.fullmatch(word)
        or _YEAR_AND_STOP.fullmatch(word)
        or (is_last and _LONG_AND_STOP.fullmatch(word))
    )
