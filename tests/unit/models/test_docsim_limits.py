"""DocSim: what a request may not ask for, and what is said then."""

from __future__ import annotations

import json

import pytest

from models.errors import BadInput
from models.registry import load_model
from models.serving import Request

LONG = "a" * 1_000_001


def said(model, body, kind="application/json") -> str:
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    with pytest.raises(BadInput) as caught:
        model.predict(Request(kind, None, body))
    assert len(caught.value.message) < 600
    return caught.value.message


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"text1": "x", "text2": LONG}, "The second text of the pair"),
        ({"pairs": [["x", "y"], [LONG, "x"]]}, "The first text of pair 1"),
        ({"query": LONG, "documents": []}, "query"),
        ({"query": "x", "documents": ["y", LONG]}, "document 1"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_text_of_more_than_a_million_characters_is_refused_by_name(similarity, value, where):
    assert said(similarity.model, value) == (
        f"{where} has 1000001 characters; at most 1000000 are taken"
    )


def test_a_cell_of_more_than_a_million_characters_is_refused_by_its_row(similarity):
    message = said(similarity.model, f"a,b\n\nc,{LONG}".encode(), "text/csv")
    assert message.startswith("The second text of row 3 has 1000001 characters")


def test_a_million_characters_are_taken(similarity):
    text = "masken " * (1_000_000 // 7)
    assert similarity.json({"text1": text, "text2": "Masken"})["similarity"] == pytest.approx(1)


def test_the_parameters_may_set_the_limit(trained, tmp_path):
    params = json.loads((trained["DocSim"] / "DocSim-params.json").read_text("utf-8"))
    (tmp_path / "DocSim-params.json").write_text(json.dumps({**params, "max_chars": 5}))
    (tmp_path / "DocSim-model").write_bytes((trained["DocSim"] / "DocSim-model").read_bytes())
    model = load_model(tmp_path)
    assert "at most 5 are taken" in said(model, {"text1": "Masken", "text2": "x"})
    model.predict(Request("text/csv", None, b"Maske,Maske"))


@pytest.mark.parametrize("kind", ["text/csv", "application/json"])
def test_a_hundred_megabytes_of_one_token_are_refused(similarity, kind):
    token = b"a" * 100_000_000
    body = b'{"text1": "' + token + b'", "text2": "x"}' if "json" in kind else token + b",x"
    assert "100000000 characters" in said(similarity.model, body, kind)


@pytest.mark.parametrize(
    "value",
    [
        {"text1": "x\0", "text2": "y"},
        {"pairs": [["x", "\ud800"]]},
        {"query": "\udfff", "documents": ["x"]},
        {"query": "x", "documents": ["\0"]},
    ],
    ids=ascii,
)
def test_what_is_no_text_is_refused(similarity, value):
    assert "holds U+" in said(similarity.model, value)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"pairs":' * 100_000,
        b'{"pairs": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"query": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b', "documents": []}',
    ],
    ids=["list", "object", "pairs", "query"],
)
def test_deeply_nested_json_is_refused(similarity, body):
    assert said(similarity.model, body)


def test_more_pairs_or_documents_than_are_taken_are_refused(similarity):
    model = similarity.model
    assert "100001 rows are too many" in said(model, b"a,b\n" * 100_001, "text/csv")
    assert "100001 pairs are too many" in said(model, {"pairs": [["a", "b"]] * 100_001})
    many = {"query": "x", "documents": ["a"] * 100_001}
    assert "100001 documents are too many" in said(model, many)
