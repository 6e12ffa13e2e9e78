"""The families asked in tensors: the same answers as in their own forms."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.errors import BadInput
from models.open_inference import answer
from models.serving import Needs, Request, Response
from models.tensors import TensorModel
from tests.support.tensors import objects, request

TEXTS = ("Impfstoffe verändern das Erbgut nicht", "Masken schaden", "Kein Mobilfunk")


def asked(asker, inputs, **more):
    """The outputs for texts by the names of inputs, in JSON."""
    body = {
        "inputs": [
            {"name": name, "shape": [len(texts)], "datatype": "BYTES", "data": texts}
            for name, texts in inputs.items()
        ]
    }
    said = answer(asker.model, request(json.dumps(body | more).encode()))
    return {output["name"]: output["data"] for output in json.loads(said.body)["outputs"]}


@pytest.fixture(params=["keyphrases", "similarity", "search"])
def asker(request):
    return request.getfixturevalue(request.param)


def test_each_family_declares_its_tensors_and_describes_itself_by_them(asker):
    model = asker.model
    described = model.describe()
    assert isinstance(model, TensorModel)
    assert described["tensors"] == model.signature().as_json()
    assert json.loads(json.dumps(described)) == described
    said = answer(asker.model, Request("application/vnd.mme.signature+json", None, b""))
    assert json.loads(said.body) == described["tensors"]


def test_keyphrases_are_those_of_a_list_of_texts(keyphrases):
    own = keyphrases.json({"texts": [*TEXTS, " "], "max_count": 1})["results"]
    found = asked(keyphrases, {"text": [*TEXTS, " "]}, parameters={"max_count": 1})
    assert [json.loads(each) for each in found["keyphrases"]] == own
    assert own[0]["keyphrases"]
    assert "is blank" in own[3]["error"]


def test_matches_are_those_of_a_list_of_claims(search):
    own = search.json({"claims": [*TEXTS, ""], "top_k": 2, "explain": True})["results"]
    options = {"top_k": 2, "explain": True}
    found = asked(search, {"claim": [*TEXTS, ""]}, parameters=options)
    assert [json.loads(each) for each in found["matches"]] == own
    assert len(own[0]["matches"]) == 2


def test_similarities_are_those_of_pairs(similarity):
    pairs = [[TEXTS[0], TEXTS[1]], [TEXTS[1], TEXTS[1]], ["xyz", TEXTS[0]]]
    own = similarity.json({"pairs": pairs})["similarities"]
    firsts, seconds = zip(*pairs, strict=True)
    found = asked(similarity, {"text1": [*firsts], "text2": [*seconds]})
    assert found == {"similarity": own}
    assert own[2] == 0
    tensors = {
        "text1": objects(*map(str.encode, firsts)),
        "text2": objects(*map(str.encode, seconds)),
    }
    exact = similarity.model.infer(tensors, {}, ["similarity"])["similarity"]
    assert exact.dtype == np.float32
    assert exact.tolist() == [np.float32(each) for each in own]


def test_no_texts_have_no_answers(asker):
    names = [spec.name for spec in asker.model.signature().inputs]
    [output] = asked(asker, {key: [] for key in names}).values()
    assert output == []


def test_a_text_that_is_no_utf_8_is_refused_in_its_place(keyphrases, search):
    for model in (keyphrases.model, search.model):
        [taken] = model.signature().inputs
        [given] = model.signature().outputs
        tensor = objects(TEXTS[0].encode(), b"ab\xff")
        good, bad = model.infer({taken.name: tensor}, {}, [given.name])[given.name]
        assert given.name in json.loads(good)
        assert "1 is not UTF-8: byte 2 is b'\\xff'" in json.loads(bad)["error"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"text1": ["a"]}, "The input text2 is missing; the model takes text1, text2"),
        ({"text1": ["a"], "text2": []}, "text1 has 1 texts and text2 0: they are pairs"),
        ({"text1": ["a", "\0"], "text2": ["a", "b"]}, r"first text of pair 1 holds U\+0000"),
    ],
    ids=["one of two", "no pairs", "no text"],
)
def test_what_is_off_with_pairs_is_named(similarity, inputs, message):
    with pytest.raises(BadInput, match=message):
        asked(similarity, inputs)


def test_parameters_that_a_model_has_not_are_named(asker):
    names = [spec.name for spec in asker.model.signature().inputs]
    with pytest.raises(BadInput, match="max_cuont"):
        asked(asker, {key: ["a"] for key in names}, parameters={"max_cuont": 1})


def test_a_text_by_itself_is_a_request(keyphrases):
    own = keyphrases.json({"texts": [TEXTS[0]]})["results"][0]
    said = answer(keyphrases.model, request(TEXTS[0].encode(), 0))
    assert json.dumps(own, ensure_ascii=False).encode() in said.body


def test_generate_answers_the_json_of_one_text(search):
    body = json.dumps({"text_input": TEXTS[0], "top_k": 1}).encode()
    said = answer(search.model, Request("application/vnd.mme.generate+json", None, body))
    text = json.loads(said.body)["text_output"]
    assert json.loads(text) == search.json({"claims": [TEXTS[0]], "top_k": 1})["results"][0]


def test_a_model_without_tensors_is_not_asked_for_its_signature():
    class Plain:
        def __init__(self):
            self.asked = []

        def predict(self, request):
            self.asked.append(request)
            return Response("text/plain", "a")

        def describe(self):
            return {}

        def needs(self):
            return Needs()

    model = Plain()
    assert answer(model, Request("text/plain", None, b"")).body == "a"
    with pytest.raises(BadInput, match="says nothing of tensors"):
        answer(model, Request("application/vnd.mme.signature+json", None, b""))
    assert len(model.asked) == 1
