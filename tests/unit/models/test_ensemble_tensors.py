"""Ensembles: steps that ask by tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from models.Ensemble.arrays import as_array
from models.Ensemble.graph import check_kinds, in_order
from models.Ensemble.model import EnsembleModel
from models.Ensemble.reading import read_definition
from models.Ensemble.values import UnusableValue
from models.errors import ArtifactError, BadInput, ServingError
from models.registry import load_model
from models.serving import Needs, Request
from models.tensors import Signature, TensorModel, TensorSpec, texts_tensor


class Encoder:
    """Texts -> as many pairs of numbers: characters and bytes."""

    def signature(self):
        return Signature(
            (TensorSpec("text", "BYTES", (-1,)), TensorSpec("lead", "INT32", (1,), True)),
            (TensorSpec("vectors", "FP32", (-1, 2)), TensorSpec("texts", "BYTES", (-1,))),
        )

    def infer(self, inputs, parameters, wanted):
        texts = inputs["text"]
        scale = parameters.get("scale", 1)
        rows = [[len(each.decode()) * scale, len(each)] for each in texts]
        found = {"vectors": np.array(rows, np.float32).reshape(-1, 2), "texts": texts}
        return {name: found[name] for name in wanted}

    def describe(self):
        return {"family": "Encoder"}

    def needs(self):
        return Needs()


class Summing(Encoder):
    """Vectors -> their sums; keeps the arrays it was given."""

    def __init__(self):
        self.given = []

    def signature(self):
        vectors = TensorSpec("vectors", "FP32", (-1, 2))
        return Signature((vectors,), (TensorSpec("sums", "FP32", (-1,)),))

    def infer(self, inputs, parameters, wanted):
        self.given.append(inputs["vectors"])
        return {"sums": inputs["vectors"].sum(axis=1)}


@pytest.fixture
def made(tmp_path):
    def make(steps, output, **members):
        said = {
            "inputs": {"texts": {"type": ["string"]}},
            "steps": steps,
            "outputs": {"answer": {"value": output}},
        }
        (tmp_path / "ensemble.json").write_text(json.dumps(said))
        definition = read_definition(tmp_path)
        order = in_order(definition)
        check_kinds(definition, order, members)
        return EnsembleModel(definition, order, members)

    return make


def ask(model, texts):
    body = json.dumps({"texts": texts}).encode()
    return json.loads(model.predict(Request(None, None, body)).body)["answer"]


ENCODE = {"model": "encoder", "tensors": {"text": "$texts"}}


def test_tensors_become_lists_in_answers(made):
    model = made({"code": ENCODE}, "$code", encoder=Encoder())
    assert ask(model, ["ab", "ß"]) == {"vectors": [[2, 2], [1, 2]], "texts": ["ab", "ß"]}
    assert ask(model, []) == {"vectors": [], "texts": []}


def test_items_of_a_tensor_are_taken_by_number_and_one_by_one(made):
    steps = {
        "code": ENCODE,
        "each": {
            "each": {"row": "$code/vectors", "text": "$code/texts"},
            "value": ["$row/1", "$text"],
        },
    }
    model = made(steps, {"each": "$each", "one": "$code/vectors/1/0"}, encoder=Encoder())
    assert ask(model, ["ab", "ß"]) == {"each": [[2, "ab"], [2, "ß"]], "one": 1}


def test_a_tensor_goes_from_step_to_step_as_it_is(made):
    summing = Summing()
    steps = {
        "code": ENCODE | {"outputs": ["vectors"], "parameters": {"scale": 10}},
        "sum": {"model": "summing", "tensors": {"vectors": "$code/vectors"}},
    }
    model = made(steps, "$sum/sums", encoder=Encoder(), summing=summing)
    assert ask(model, ["ab"]) == [22]
    assert summing.given[0].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tensors": {"texts": "$texts"}}, "encoder takes no tensor texts, but text, lead"),
        ({"tensors": {"lead": [1]}}, "encoder needs a tensor text"),
        ({"tensors": {"text": [1]}}, "the tensor text is of BYTES; what stands there is .*integer"),
        ({"outputs": ["vector"]}, "encoder gives no tensor vector, but vectors, texts"),
        ({"outputs": []}, "outputs must be a list of names"),
        ({"type": "string"}, r"its type is .*vectors.*, not string"),
    ],
)
def test_tensors_that_do_not_fit_the_signature_are_refused(made, change, message):
    with pytest.raises(ArtifactError, match=f"step code:? {message}"):
        made({"code": ENCODE | change, "t": {"text": "$texts"}}, ["$code", "$t"], encoder=Encoder())


def test_a_tensor_of_another_shape_is_refused_when_it_is_there(made):
    steps: dict[str, Any] = {
        "sum": {"model": "summing", "tensors": {"vectors": [[1.5, 2]]}},
        "t": {"text": "$texts"},
    }
    assert ask(made(steps, ["$sum/sums", "$t"], summing=Summing()), []) == [[3.5], ""]
    steps["sum"]["tensors"]["vectors"] = [[1.5, 2, 3]]
    model = made(steps, ["$sum/sums", "$t"], summing=Summing())
    with pytest.raises(ServingError, match=r"Step sum: .* has the shape \[-1, 2\], not \[1, 3\]"):
        ask(model, [])


@pytest.mark.parametrize(
    ("value", "datatype"),
    [
        ([1.5], "INT32"), ([300], "UINT8"), (["1"], "FP32"), ([True], "FP32"), ([1, [2]], "FP32"),
        ([10**400], "FP64"), ([None], "FP32"), ([{}], "FP32"), ([1], "BYTES"),
        ([["a"], "b"], "BYTES"), ([0], "BOOL"), ([1e300], "FP32"), ({"a": 1}, "FP32"),
        ([1], "BF16"),
    ],
)  # fmt: skip
def test_lists_that_are_no_tensor_of_a_datatype_are_refused(value, datatype):
    with pytest.raises(UnusableValue, match=f"The tensor t is of {datatype}, and .* is not"):
        as_array(value, TensorSpec("t", datatype, (-1,)))


def test_an_array_of_another_datatype_is_refused():
    with pytest.raises(UnusableValue, match="is of FP32, not of float64"):
        as_array(np.zeros(1), TensorSpec("t", "FP32", (-1,)))


# ---- the ensemble itself by tensors


@pytest.fixture
def whole(tmp_path):
    kinds = {"s": "string", "n": "number", "i": "integer", "b": "boolean", "l": ["string"]}
    inputs: dict[str, Any] = {name: {"type": kind} for name, kind in kinds.items()}
    inputs |= {"o": {"type": {"k": "any"}, "default": {"k": 1}}}
    said = {
        "inputs": inputs,
        "steps": {"all": {"value": {name: f"${name}" for name in inputs}}},
        "outputs": {
            name: {"value": f"$all/{name}", "type": each["type"]} for name, each in inputs.items()
        },
    }
    (tmp_path / "ensemble.json").write_text(json.dumps(said))
    definition = read_definition(tmp_path)
    return EnsembleModel(definition, in_order(definition), {})


SENT = {
    "s": np.array(["Grüße".encode()], object),
    "n": np.array([1.5]),
    "i": np.array([7]),
    "b": np.array([True]),
    "l": np.array([b"a", b"b"], object),
}


def test_an_ensemble_takes_and_gives_tensors(whole):
    told = whole.describe()["tensors"]
    assert isinstance(whole, TensorModel)
    names = [(each.name, each.datatype, each.shape) for each in whole.signature().inputs]
    assert names == [
        ("s", "BYTES", (1,)), ("n", "FP64", (1,)), ("i", "INT64", (1,)), ("b", "BOOL", (1,)),
        ("l", "BYTES", (-1,)), ("o", "BYTES", (1,)),
    ]  # fmt: skip
    assert [each.name for each in whole.signature().inputs if each.is_optional] == ["o"]
    assert told == whole.signature().as_json()
    found = whole.infer(SENT, {}, ["s", "n", "i", "b", "l", "o"])
    for name, array in SENT.items():
        assert found[name].dtype == array.dtype
        assert found[name].tolist() == array.tolist()
    assert found["o"].tolist() == [b'{"k": 1}']


def test_only_the_outputs_that_are_wanted_are_given(whole):
    sent = SENT | {"o": np.array([b'{"k": [2]}'], object)}
    assert {k: v.tolist() for k, v in whole.infer(sent, {}, ["o"]).items()} == {
        "o": [b'{"k": [2]}']
    }


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("s", np.array([b"\xff"], object), "no text in UTF-8"),
        ("s", np.array([], object), "has 0 elements, not one"),
        ("o", np.array([b"{"], object), "not JSON"),
        ("o", np.array([b"[]"], object), r"o is \[\], not an object"),
    ],
)
def test_tensors_that_are_no_inputs_are_refused(whole, name, array, message):
    with pytest.raises(BadInput, match=message):
        whole.infer(SENT | {name: array}, {}, ["s"])


def test_an_output_that_no_tensor_holds_is_told(tmp_path):
    said = {
        "inputs": {"text": {"type": "string"}},
        "steps": {"answer": {"value": ["$text", 2**70]}},
        "outputs": {"number": {"value": "$answer/1", "type": "integer"}},
    }
    (tmp_path / "ensemble.json").write_text(json.dumps(said))
    model = load_model(tmp_path)
    assert isinstance(model, TensorModel)
    with pytest.raises(UnusableValue, match="Output number: it holds a number that is none of INT"):
        model.infer({"text": texts_tensor(["a"])}, {}, ["number"])
