"""Reading a request about one text or several: which are taken, and what is said of the others."""

from __future__ import annotations

import json

import pytest

from models.errors import BadInput
from models.media import JSON, PLAIN, MediaType
from models.requests import Question, QuestionReader

STRICT = QuestionReader(
    noun="claim", advice="send a claim", max_chars=9, options=("top_k",), max_texts=3
)
LENIENT = QuestionReader(
    noun="text", advice="send a text", max_chars=9, options=(), takes_bare=True
)


def read(reader, value):
    return reader.read(json.dumps(value).encode(), MediaType(JSON))


def test_a_plain_body_is_the_text_itself():
    body = "Kühe".encode("latin-1")
    assert STRICT.read(body, MediaType(PLAIN, {"charset": "latin-1"})) == Question(
        ["Kühe"], is_plain=True
    )
    with pytest.raises(BadInput, match="The claim is blank: send a claim"):
        STRICT.read(b" \n", MediaType(PLAIN))


def test_an_object_has_one_text_or_a_list_and_options_that_are_not_checked():
    assert read(STRICT, {"claim": "a"}) == Question(["a"])
    assert read(STRICT, {"claims": ["a"], "top_k": "x"}) == Question(
        ["a"], {"top_k": "x"}, is_single=False
    )
    assert read(STRICT, {"claims": []}) == Question([], is_single=False)


def test_json_may_be_a_text_or_a_list_where_that_is_allowed():
    assert read(LENIENT, "a") == Question(["a"])
    assert read(LENIENT, ["a", "b"]) == Question(["a", "b"], is_single=False)
    for value in ("a", ["a"], None):
        with pytest.raises(BadInput, match="must be an object"):
            read(STRICT, value)


@pytest.mark.parametrize(
    ("reader", "value", "said"),
    [
        (STRICT, {}, 'either "claim" or "claims"'),
        (STRICT, {"claim": "a", "claims": ["b"]}, 'either "claim" or "claims"'),
        (STRICT, {"text": "a"}, "Unknown key 'text'; known keys: claim, claims, top_k"),
        (STRICT, {"claim": None}, "claim must be a string, not null"),
        (STRICT, {"claim": "x" * 10}, "claim has 10 characters; at most 9"),
        (STRICT, {"claims": "a"}, "claims must be a list of strings, not 'a'"),
        (STRICT, {"claims": ["a"] * 4}, "There are 4 claims; at most 3 are taken"),
        (STRICT, {"claims": ["xxxxx"] * 2}, "The claims have 10 characters; at most 9 are taken"),
        (LENIENT, 3, "The text must be a string"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(reader, value, said):
    with pytest.raises(BadInput, match=said):
        read(reader, value)


BAD_TEXTS = {
    " \n": "Text {} is blank: send a text",
    "x" * 10: "Text {} has 10 characters; at most 9 are taken",
    "a\0": "Text {} holds U+0000 at character 1",
    "\ud800": "Text {} holds U+D800 at character 0",
    3: "Text {} must be a string, not a number (3)",
    None: "Text {} must be a string, not null",
}


@pytest.mark.parametrize("bad", BAD_TEXTS, ids=ascii)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_text_that_cannot_be_used_refuses_no_other_of_its_list(bad, number):
    texts: list[object] = ["a", "b"]
    texts.insert(number, bad)
    question = read(LENIENT, texts)
    assert question.texts == ["a", "b"]
    assert question.refused == {number: BAD_TEXTS[bad].format(number)}
    assert [texts[place] for place in question.numbers] == ["a", "b"]
    wanted: list[dict[str, object]] = [{"is": "a"}, {"is": "b"}]
    wanted.insert(number, {"error": BAD_TEXTS[bad].format(number)})
    assert list(question.in_order({"is": text} for text in question.texts)) == wanted


def test_a_list_of_nothing_but_bad_texts_has_an_error_for_each():
    question = read(STRICT, {"claims": ["", 1]})
    assert question.texts == question.numbers == []
    assert list(question.in_order([])) == [
        {"error": "Claim 0 is blank: send a claim"},
        {"error": "Claim 1 must be a string, not a number (1)"},
    ]


def test_texts_that_are_not_used_do_not_count_as_characters():
    assert read(LENIENT, ["x" * 1000, "x" * 5, "x" * 4]).numbers == [1, 2]
    with pytest.raises(BadInput, match="The texts have 10 characters; at most 9 are taken"):
        read(LENIENT, ["x" * 1000, "x" * 5, "x" * 5])
