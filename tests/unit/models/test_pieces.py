"""Answers in pieces: together they are the whole answer, and each is made when it is asked for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import models.Search.model as search_model
from models.bodies import json_pieces, to_json
from models.errors import AnswerTooLarge, BadInput
from models.registry import load_model
from models.serving import Request

VALUES = st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3)
TEXTS = ["Ein Impfstoff verändert das Erbgut", "", "Das Gas CO2 schadet dem Klima", 7]


@given(st.text(), st.lists(VALUES, max_size=4), VALUES)
def test_the_pieces_of_a_list_are_its_json(key, items, others):
    others.pop(key, None)
    pieces = list(json_pieces(key, items, others))
    assert "".join(pieces) == to_json({key: items, **others})
    assert len(pieces) == len(items) + 1


def counted(made):
    for number in range(3):
        made.append(number)
        yield number


def test_an_item_is_made_when_its_piece_is_asked_for():
    made: list[int] = []
    pieces = json_pieces("a", counted(made))
    assert made == []
    assert next(pieces) == '{"a": [0'
    assert made == [0]


@pytest.fixture(scope="module")
def loaded(trained):
    return {name: load_model(folder) for name, folder in trained.items()}


def asked(model, body, *, in_parts, accept=None):
    raw = json.dumps(body).encode()
    return model.predict(Request("application/json", accept, raw, in_parts=in_parts))


MANY = [
    ("Search", {"claims": TEXTS}),
    ("Search", {"claims": TEXTS, "explain": True, "top_k": 2}),
    ("Search", {"claims": []}),
    ("Search", {"claims": [""]}),
    ("TopicalPageRank", {"texts": TEXTS}),
    ("TopicalPageRank", TEXTS),
    ("TopicalPageRank", []),
]


@pytest.mark.parametrize(("name", "body"), MANY)
def test_of_many_texts_the_pieces_are_the_whole_answer_a_text_each(loaded, name, body):
    whole = asked(loaded[name], body, in_parts=False)
    answer = asked(loaded[name], body, in_parts=True)
    assert answer.pieces is not None
    pieces = list(answer.pieces)
    assert "".join(pieces) == whole.body
    assert (answer.content_type, answer.body) == (whole.content_type, "")
    texts = body if isinstance(body, list) else body.get("texts", body.get("claims"))
    assert len(pieces) == len(texts) + 1
    assert whole.pieces is None


WHOLE = [
    ("Search", {"claim": TEXTS[0]}, None),
    ("Search", {"claims": TEXTS}, "text/csv"),
    ("TopicalPageRank", {"text": TEXTS[0]}, None),
    ("TopicalPageRank", TEXTS[0], None),
    ("TopicalPageRank", TEXTS, "text/csv"),
]


@pytest.mark.parametrize(("name", "body", "accept"), WHOLE)
def test_any_other_answer_is_whole(loaded, name, body, accept):
    answer = asked(loaded[name], body, in_parts=True, accept=accept)
    assert answer.pieces is None
    assert answer.body == asked(loaded[name], body, in_parts=False, accept=accept).body


def test_what_is_wrong_with_a_whole_request_is_said_before_the_first_piece(loaded):
    with pytest.raises(BadInput):
        asked(loaded["Search"], {"claims": "one"}, in_parts=True)


def test_an_answer_that_becomes_too_large_breaks_off(loaded, monkeypatch):
    monkeypatch.setattr(search_model, "MAX_CELLS_BYTES", 300)
    body = {"claims": ["Erbgut"] * 50}
    with pytest.raises(AnswerTooLarge):
        asked(loaded["Search"], body, in_parts=False)
    pieces = asked(loaded["Search"], body, in_parts=True).pieces
    assert pieces is not None
    assert next(pieces).startswith('{"results": [')
    with pytest.raises(AnswerTooLarge):
        list(pieces)
