"""Requests to one Embedding model that are computed at once: each gets what it gets alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from models.Embedding.miniature import write_miniature
from models.errors import ServingError
from models.open_inference import answer, answer_many
from models.open_inference.framing import Kind
from models.registry import load_model
from models.serving import BATCH, BatchModel, Request, Response
from models.tensors import TensorBatchModel


@pytest.fixture
def folder(tmp_path):
    write_miniature(tmp_path)
    return tmp_path


@pytest.fixture
def model(folder):
    return load_model(folder, folder / "scratch")


def asked(body: Any, content_type="application/json", accept=None) -> Request:
    return Request(content_type, accept, body if isinstance(body, bytes) else as_json(body))


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def tensors(texts: list[str], **others: Any) -> Request:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    return asked({"inputs": [tensor], **others}, Kind.INFER)


GOOD = [
    asked(b"tax on electricity", "text/plain"),
    asked({"texts": ["on", " ", "electricity " * 40]}),
    asked({"texts": []}),
    asked(b"tax\non tax\n", "text/csv", "text/csv"),
    asked({"text": "tax", "input_type": "passage"}, accept="application/x-npy"),
    tensors(["tax", "on"], id="one"),
    tensors(["electricity"], outputs=[{"name": "embedding"}]),
    asked({"text": "on"}),
]
BAD = [
    asked(b"", "text/plain"),
    asked({"text": "tax", "input_type": "verse"}),
    asked({"text": "electricity " * 40, "truncate": False}),
    asked(b"tax", "image/png"),
    asked({"text": "tax"}, accept="image/png"),
    tensors([" "]),
    asked({"inputs": []}, Kind.INFER),
    asked({"text_input": "tax"}, Kind.GENERATE),
    asked(b"", Kind.SIGNATURE),
]


def test_each_gets_the_answer_that_it_gets_alone(model):
    assert answer_many(model, GOOD) == [answer(model, each) for each in GOOD]


def test_those_that_are_wrong_or_no_inference_are_to_be_asked_alone(model):
    mixed = [each for pair in zip(GOOD, BAD, strict=False) for each in pair] + BAD[len(GOOD) :]
    told = answer_many(model, mixed)
    for request, response in zip(mixed, told, strict=True):
        if request in BAD:
            assert response is None
        else:
            assert response == answer(model, request)


def test_texts_of_all_requests_are_computed_at_once(model, monkeypatch):
    computed = []
    embed = model._engine.embed

    def noted(texts: list[str], kind: str) -> Any:
        computed.append(len(texts))
        return embed(texts, kind)

    monkeypatch.setattr(model._engine, "embed", noted)
    answer_many(model, [asked({"texts": ["tax", "on"]}), asked(b"tax", "text/plain")])
    assert computed == [3]


def test_what_breaks_the_computing_is_raised(model, monkeypatch):
    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(model._engine, "embed", fail)
    with pytest.raises(MemoryError):
        answer_many(model, GOOD)


def test_the_description_says_how_much_is_computed_at_once_with_gain(model):
    assert model.describe()[BATCH] == {"max_requests": 64, "max_bytes": 2048}
    assert isinstance(model, BatchModel)
    assert isinstance(model, TensorBatchModel)


def test_a_model_whose_vectors_depend_on_the_texts_beside_does_not_offer_it(folder):
    (folder / "Embedding-model").write_bytes(leaning())
    model = load_model(folder, folder / "scratch")
    assert BATCH not in model.describe()
    assert BATCH not in load_model(folder, folder / "scratch").describe()


def leaning() -> bytes:
    """A graph that measures its numbers by the largest of a batch, as one of eight bits does."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["there"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["there", "one"], ["lengths"], keepdims=1),
        helper.make_node("ReduceMax", ["lengths"], ["longest"], keepdims=0),
        helper.make_node("Div", ["numbers", "longest"], ["parts"]),
        helper.make_node("Unsqueeze", ["parts", "last"], ["wide"]),
        helper.make_node("Add", ["wide", "two"], ["last_hidden_state"]),
    ]
    constants = [
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("last", TensorProto.INT64, [1], [2]),
        helper.make_tensor("two", TensorProto.FLOAT, [2], [0.0, 1.0]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "t", 2])
    graph = helper.make_graph(nodes, "leaning", inputs, [out], constants)
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def test_a_model_that_measures_by_the_numbers_of_all_texts_does_not_offer_it(folder):
    (folder / "Embedding-model").write_bytes(of_eight_bits())
    assert BATCH not in load_model(folder, folder / "scratch").describe()


def of_eight_bits() -> bytes:
    """A graph that knows no place of a token: words repeated are as large as each of them is."""
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["vectors"]),
        helper.make_node("DynamicQuantizeLinear", ["vectors"], ["bytes", "scale", "zero"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["last_hidden_state"]),
    ]
    numbers = [0.0, 0.0, 0.31, 0.77, 0.5, 0.1, 0.2, 0.9, 3.3, -2.1]
    words = helper.make_tensor("words", TensorProto.FLOAT, [5, 2], numbers)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "t", 2])
    graph = helper.make_graph(nodes, "eight", [ids], [out], [words])
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


class Plain:
    def predict(self, request: Request) -> Response:
        return Response("text/plain", request.body)


def test_a_model_that_gains_nothing_is_asked_for_each_alone():
    assert answer_many(Plain(), GOOD) == [None] * len(GOOD)  # type: ignore[arg-type]


def test_the_errors_of_those_asked_alone_are_their_own(model):
    for request in BAD[:7]:
        with pytest.raises(ServingError):
            answer(model, request)
    assert np.isfinite(json.loads(answer(model, GOOD[0]).body)["embeddings"]).all()
