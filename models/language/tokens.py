"""From a text to tokens: spaCy's, in time and memory that grow with the text alone.

spaCy reads the rest of a run of letters and signs again for each sign it splits off, and keeps all
words it ever saw. Here runs are cut, only the ends of the rest are looked at, and a tokenizer that
has seen many words is exchanged for a fresh one. Sentences and tags are for `pipelines`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import spacy
from spacy.tokens import Doc
from spacy.util import compile_infix_regex

if TYPE_CHECKING:
    from spacy.language import Language

LONGEST_RUN = 250
MOST_WORDS = 30_000
"""Kept by a pipeline; they take some 20 MB."""
LONG_TEXT_CHARS = 100_000
WIDEST_SUFFIX = 16
"""At least as wide as any suffix that spaCy splits off, but for a run of dots."""
_LONG_RUN = re.compile(rf"\S{{{LONGEST_RUN + 1},}}")


def blank(language: str) -> Language:
    """SpaCy's own pipeline of a language, with nothing but its tokenizer."""
    nlp = spacy.blank(language)
    _keep_hyphenated_words(nlp)
    _look_at_ends_only(nlp)
    return nlp


def renew(nlp: Language) -> None:
    """Exchange the tokenizer of a pipeline begun as `blank` once it keeps too many words.

    No document of it may be in use.
    """
    if len(nlp.vocab) > MOST_WORDS:
        fresh = blank(nlp.lang or "")
        nlp.vocab, nlp.tokenizer = fresh.vocab, fresh.tokenizer


def may_keep_words(nlp: Language, text: str) -> bool:
    """Whether a pipeline whose tokenizer cannot be exchanged may keep the words of a text.

    It is faster with the words it kept.
    """
    return len(nlp.vocab) <= MOST_WORDS and len(text) <= LONG_TEXT_CHARS


def tokens_of(nlp: Language, text: str) -> Doc:
    """The text in tokens. Runs without a space that are longer than any word are cut first."""
    cuts = [
        place
        for run in _LONG_RUN.finditer(text)
        for place in range(run.start() + LONGEST_RUN, run.end(), LONGEST_RUN)
    ]
    if not cuts:
        return nlp.make_doc(text)
    words: list[str] = []
    spaces: list[bool] = []
    for start, end in pairwise([0, *cuts, len(text)]):
        part = nlp.make_doc(text[start:end])
        words += [token.text for token in part]
        spaces += [bool(token.whitespace_) for token in part]
    return Doc(nlp.vocab, words, spaces)


def _keep_hyphenated_words(nlp: Language) -> None:
    """Keep `long-term` one token, as phrases need it; spaCy splits it in English."""
    infixes = nlp.Defaults.infixes or ()
    kept = [infix for infix in infixes if not re.search(infix, "long-term")]
    if len(kept) < len(infixes):
        cast("Any", nlp.tokenizer).infix_finditer = compile_infix_regex(kept).finditer


def _look_at_ends_only(nlp: Language) -> None:
    """Have the tokenizer find the same prefixes and suffixes without reading what is between."""
    tokenizer = cast("Any", nlp.tokenizer)
    prefixes, suffixes = tokenizer.prefix_search.__self__, tokenizer.suffix_search.__self__

    def suffix(rest: str) -> re.Match[str] | None:
        start = max(len(rest) - WIDEST_SUFFIX, 0)
        found: re.Match[str] | None = suffixes.search(rest, start)
        if start and found is not None and found.start() == start:
            return cast("re.Match[str]", suffixes.search(rest))  # perhaps more of it is before
        return found

    tokenizer.prefix_search = prefixes.match  # each of spaCy's prefixes is anchored
    tokenizer.suffix_search = suffix
