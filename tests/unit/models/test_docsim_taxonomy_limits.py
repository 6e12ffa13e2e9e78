"""Taxonomies that are wrong, or would cost far more than their size, are refused, and quickly."""

from __future__ import annotations

import json

import pytest

from models.DocSim import tagging
from models.DocSim.tagging import TAXONOMY_FILE
from models.DocSim.taxonomy import MAX_NAME_CHARS, MAX_TERM_CHARS, MAX_TERM_WORDS, read_taxonomy
from models.errors import ArtifactError, BadInput
from models.registry import load_model
from models.serving import Request

NAME = "Gesundheit"


def taxonomy(terms, threshold="0.5", category=NAME) -> str:
    listed = terms if isinstance(terms, str) else json.dumps(terms)
    return (
        f'{{"similarity-threshold": {threshold}, {json.dumps(category)}: {{"Impfung": {listed}}}}}'
    )


def pairs(count, key) -> str:
    return ", ".join(f'"{key(number)}": ["x"]' for number in range(count))


REFUSED = {
    "one key twice among many": (
        f'{{"similarity-threshold": 0.5, "A": {{{pairs(100_000, str)}, "99999": ["x"]}}}}',
        "the key '99999' stands there twice",
    ),
    "every key twice": (
        f'{{"similarity-threshold": 0.5, "A": {{{pairs(100_000, lambda n: n // 2)}}}}}',
        "the key '0' stands there twice",
    ),
    "a long name of a category of many tags": (
        f'{{"similarity-threshold": 0.5, "{"A" * 1_000_000}": {{{pairs(100_000, str)}}}}}',
        f"at most {MAX_NAME_CHARS} characters",
    ),
    "a long name of a tag": (
        f'{{"similarity-threshold": 0.5, "A": {{"{"B" * 1_000_000}": ["x"]}}}}',
        f"at most {MAX_NAME_CHARS} characters",
    ),
    "a long term": (taxonomy(["a" * 1_000_000]), f"at most {MAX_TERM_CHARS} characters"),
    "a long term of marks": (
        taxonomy(["a" + "\u0301\u0323" * 1_000_000]),
        f"at most {MAX_TERM_CHARS} characters",
    ),
    "too many words in the terms": (
        taxonomy([f"{number} " + "a " * 90 for number in range(MAX_TERM_WORDS // 90)]),
        "words; at most 200000 are taken",
    ),
    "too many terms": (taxonomy([str(number) for number in range(20_001)]), "20001 terms"),
    "nested lists": (taxonomy("[" * 100_000), "is not JSON"),
    "nested lists that end": (taxonomy("[" * 900 + "]" * 900), "must hold terms"),
    "not a number": (taxonomy(["x"], "NaN"), "must be a number from 0 to 1"),
    "an infinite number": (taxonomy(["x"], "1e999"), "must be a number from 0 to 1"),
    "a number of 4,000 digits": (taxonomy(["x"], "9" * 4000), "must be a number from 0 to 1"),
    "a number of 5,000 digits": (taxonomy(["x"], "9" * 5000), "is not JSON"),
    "half a character": (taxonomy('["\\ud800"]'), "must hold terms"),
    "a million lists": (taxonomy("[" + "[]," * 1_000_000 + "[]]"), "must hold terms"),
    "not a text": (taxonomy("7" * 1000), "must be a list of terms"),
}


@pytest.mark.hostile("parameters")
@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_taxonomy_is_refused_in_few_words(tmp_path, name):
    content, said = REFUSED[name]
    path = tmp_path / TAXONOMY_FILE
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match=said) as caught:
        read_taxonomy(path)
    assert len(caught.value.message) < 2500


@pytest.fixture
def tagger(trained, tmp_path):
    """A model whose taxonomy has a hundred terms that begin alike, and as many equal ones."""
    for name in ("DocSim-params.json", "DocSim-model"):
        (tmp_path / name).write_bytes((trained["DocSim"] / name).read_bytes())
    phrases = [" ".join("a" * (count + 1)) for count in range(100)]
    tags = {f"Tag {number}": [phrase] for number, phrase in enumerate(phrases)}
    value = {"similarity-threshold": 1, "A": tags}
    (tmp_path / TAXONOMY_FILE).write_text(json.dumps(value))
    return load_model(tmp_path)


def ask(model, value):
    return json.loads(
        model.predict(Request("application/json", None, json.dumps(value).encode())).body
    )


@pytest.mark.hostile("requests to models")
@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text", ["a " * 400_000, "a" + "\u0301\u0323" * 400_000], ids=["a", "marks"]
)
def test_a_text_that_begins_many_terms_everywhere_takes_no_longer(tagger, text):
    found = ask(tagger, {"text": text, "want": "tags"})["tags"]
    assert len(found) in (0, 100)
    assert all(len(tag["word"]) == len(tag["term"]) for tag in found)


@pytest.mark.hostile("requests to models")
def test_an_answer_of_too_many_tags_is_refused(tagger, monkeypatch):
    monkeypatch.setattr(tagging, "MAX_FOUND", 250)
    value = {"texts": ["a " * 100] * 2, "want": "tags"}
    assert len(ask(tagger, value)["results"]) == 2
    with pytest.raises(BadInput, match="more than 250 tags: send less at a time"):
        ask(tagger, {"texts": ["a " * 100] * 3, "want": "tags"})
