"""Terms are found word for word, in time that grows with the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.DocSim.term_finder import TermFinder

WORDS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4)


def stand_in(terms, words) -> set[int]:
    """The same, by looking for each term at each place."""
    return {
        number
        for number, term in enumerate(terms)
        for start in range(len(words))
        if words[start : start + len(term)] == term
    }


@given(st.lists(WORDS, max_size=8), st.lists(st.sampled_from("abc"), max_size=20))
def test_the_terms_found_are_those_that_stand_in_the_text(terms, words):
    found = TermFinder(terms).find(words)
    assert set(found) == stand_in(terms, words)
    assert len(found) == len(set(found))


class Word(str):
    """A word that counts how often words are looked up."""

    __slots__ = ()
    lookups = 0

    def __hash__(self) -> int:
        Word.lookups += 1
        return str.__hash__(self)


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize("length", [1, 10, 100])
def test_terms_that_begin_alike_are_followed_at_once(length):
    finder = TermFinder([["a"] * (count + 1) for count in range(length)])
    text = [Word("a")] * 10_000
    Word.lookups = 0
    assert len(finder.find(text)) == length
    assert Word.lookups <= 2 * len(text)
