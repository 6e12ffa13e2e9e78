"""Tokens are spaCy's own; what is read, and what is kept, is bounded."""

from __future__ import annotations

from typing import Any

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.language import tokens
from models.language.pipelines import built_in, tag
from models.language.tokens import LONGEST_RUN, blank, tokens_of

LANGUAGES = ("de", "en", "nl")
OURS = {language: blank(language) for language in LANGUAGES}
SPACYS = {language: spacy.blank(language) for language in LANGUAGES}
for _language, _nlp in SPACYS.items():
    # The one thing that is meant to differ: words with hyphens.
    _nlp.tokenizer.infix_finditer = OURS[_language].tokenizer.infix_finditer  # type: ignore[union-attr]

SIGNS = "\"'`\u00b4„“”»«.,;:!?…-\u2013—/\\|()[]{}<>&%$§€£°^~*+#@_=²³"
PIECES = st.sampled_from(
    [
        "z.B.",
        "5g",
        "10km",
        "US$",
        "20°",
        "a",
        "Ä",
        "'s",
        "''",
        "...",
        "http://a.de/",
        "😀",
        "1,5",
        "m²",
    ]
)
RUNS = st.lists(PIECES | st.sampled_from(SIGNS) | st.text(max_size=2), max_size=60).map("".join)


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=40, deadline=None)
@given(run=RUNS, times=st.integers(1, 5))
@example(run="." * 100 + "!", times=1)
@example(run="a" + "." * 100, times=2)
@example(run="1" * 40 + "km" + "'" * 40, times=1)
@example(run="x" + "…" * 40 + "US$", times=2)
def test_tokens_are_those_of_spacy(language, run, times):
    text = "".join((run * times).split())[:LONGEST_RUN]
    ours, theirs = tokens_of(OURS[language], text), SPACYS[language](text)
    assert [token.text for token in ours] == [token.text for token in theirs]
    assert ours.text == text


class Counted:
    """A pattern that adds up how many characters it was given to read."""

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern
        self.read = 0

    def search(self, text: str, start: int = 0) -> Any:
        self.read += len(text) - start
        return self.pattern.search(text, start)


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize("run", ["'", '"', "!?", ".!", "a.", "(", "x')", "...,"], ids=ascii)
def test_of_a_run_of_signs_only_the_ends_are_read(monkeypatch, run):
    counted: list[Counted] = []
    compiled = tokens._look_at_ends_only

    def count(nlp: Any) -> None:
        counted.append(Counted(nlp.tokenizer.suffix_search.__self__))
        nlp.tokenizer.suffix_search = counted[-1].search
        compiled(nlp)

    monkeypatch.setattr(tokens, "_look_at_ends_only", count)
    nlp = tokens.blank("de")
    text = (run * LONGEST_RUN)[:LONGEST_RUN]
    nlp(text)
    assert 0 < counted[0].read < 60 * len(text)


@pytest.fixture
def german(monkeypatch):
    monkeypatch.setattr(tokens, "MOST_WORDS", 2000)
    built_in.cache_clear()
    yield built_in("de")
    built_in.cache_clear()


@pytest.mark.hostile("requests to models")
def test_words_of_texts_are_not_kept_for_ever(german):
    text = "Der Impfstoff wirkt. Die neuen Masken schaden nicht!"
    before = tag(german, text)
    for start in range(0, 10_000, 1000):
        tag(german, " ".join(f"wort{number}" for number in range(start, start + 1000)))
        assert len(german.vocab) <= 2000
        assert tag(german, text) == before
    assert len(german.vocab.strings) < 12_000
