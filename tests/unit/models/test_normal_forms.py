"""Normal forms: those of Unicode on any text there is, in linear time on any text at all."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.DocSim.taxonomy import exact_words
from models.language.normal_forms import JOINER, LONGEST_RUN, normal_form
from models.Search.analysis import words_of

FORMS: tuple[Literal["NFC", "NFD", "NFKC"], ...] = ("NFC", "NFD", "NFKC")
ACUTE, BELOW = "\u0301", "\u0323"
TEXTS = st.text(max_size=LONGEST_RUN) | st.text("aäÄΣß1²ﬁ가" + ACUTE + BELOW, max_size=LONGEST_RUN)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=30)
@given(texts=st.lists(TEXTS, max_size=3))
def test_text_without_endless_marks_has_its_normal_form(form, texts):
    text = "x".join(texts)
    assert normal_form(form, text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize("count", [LONGEST_RUN - 1, LONGEST_RUN, LONGEST_RUN + 1, 100])
def test_more_marks_than_any_language_has_are_cut(count):
    marks = ACUTE * count
    found = normal_form("NFD", f"a{marks}b")
    assert found.replace(JOINER, "") == f"a{marks}b"
    assert found.count(JOINER) == (count - 1) // LONGEST_RUN


N = 100_000
ENDLESS = {
    "one mark": "a" + ACUTE * N,
    "two marks of different classes": "a" + (ACUTE + BELOW) * (N // 2),
    "marks that are made of two": "a" + "\u0f73" * N,
    "marks that only become marks": "\uff9e\u0301" * (N // 2),
    "marks without a letter": (BELOW + ACUTE) * (N // 2),
    "as many as are not cut": ("a" + (ACUTE + BELOW) * (LONGEST_RUN // 2)) * (N // LONGEST_RUN),
    "letters that become eighteen": "\ufdfa" * (N // 4),
    "syllables in parts": "\u1100\u1161\u11a8" * (N // 3),
    "capital sigmas": "Σ'" * (N // 2),
}


@pytest.mark.hostile("requests to models")
@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", ENDLESS)
def test_any_number_of_marks_take_no_time_at_all(name):
    text = ENDLESS[name]
    for form in FORMS:
        assert normal_form(form, text)
    assert words_of(f"{text} Masken")[-1] == exact_words(f"{text} Masken")[-1] == "masken"
