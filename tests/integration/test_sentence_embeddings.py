"""Artifacts of the family Embedding on a real endpoint with confined workers."""

from __future__ import annotations

import io
import json

import numpy as np
import onnx
import pytest
import requests
from onnx import TensorProto, helper

from mme.training.archive import write_archive
from models.Embedding.miniature import write_miniature
from tests.support.endpoint import running_endpoint

TIMEOUT_S = 6
GOOD, OTHER, ENDLESS, BROKEN = "good.tar.gz", "other.tar.gz", "endless.tar.gz", "broken.tar.gz"


def endless() -> bytes:
    """A graph that never ends where a text begins with "electricity"; else it gives zeros."""
    values = {
        name: helper.make_tensor(name, kind, shape, content)
        for name, kind, shape, content in (
            ("word", TensorProto.INT64, [1, 1], [4]),
            ("first", TensorProto.INT64, [1], [0]),
            ("after", TensorProto.INT64, [1], [1]),
            ("columns", TensorProto.INT64, [1], [1]),
            ("rows", TensorProto.INT64, [1], [0]),
            ("many", TensorProto.INT64, [], [2**62]),
            ("last", TensorProto.INT64, [1], [2]),
            ("none", TensorProto.FLOAT, [], [0.0]),
        )
    }
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("Sin", ["sum"], ["more"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Slice", ["input_ids", "first", "after", "columns"], ["begin"]),
        helper.make_node("Equal", ["begin", "word"], ["are_bad"]),
        helper.make_node("Cast", ["are_bad"], ["as_numbers"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["as_numbers"], ["is_bad"], keepdims=0),
        helper.make_node("Cast", ["is_bad"], ["does_loop"], to=TensorProto.BOOL),
        helper.make_node("Cast", ["input_ids"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["floats", "last"], ["wide"]),
        helper.make_node("Loop", ["many", "does_loop", "wide"], ["last_hidden_state"], body=body),
    ]
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "t", 1])
    graph = helper.make_graph(nodes, "endless", shapes, [out], [*values.values()])
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentences")
    store = folder / "store"
    store.mkdir()
    for target in (GOOD, OTHER, ENDLESS, BROKEN):
        artifact = folder / target.removesuffix(".tar.gz")
        artifact.mkdir()
        write_miniature(artifact)
        if target == ENDLESS:
            (artifact / "Embedding-model").write_bytes(endless())
        if target == BROKEN:
            (artifact / "Embedding-model").write_bytes(b"no model")
        write_archive(artifact, store / target)
    settings = {"MME_INVOKE_TIMEOUT_S": str(TIMEOUT_S)}
    with running_endpoint(str(store), folder, settings) as running:
        yield running


def ask(endpoint, target, body, accept="application/json"):
    return requests.post(
        f"{endpoint.url}/invocations",
        headers={
            "X-Amzn-SageMaker-Target-Model": target,
            "Content-Type": "text/plain",
            "Accept": accept,
        },
        data=body,
        timeout=60,
    )


def test_workers_of_the_pool_answer_with_vectors(endpoint):
    for target in (GOOD, OTHER):
        found = ask(endpoint, target, "tax").json()
        assert found == {"embeddings": [[1, 0]]}
    view = requests.get(f"{endpoint.url}/models/{GOOD}", timeout=10).json()
    assert view["state"] == "ready"


def test_an_array_comes_through_as_it_is(endpoint):
    answer = ask(endpoint, GOOD, "tax", "application/x-npy")
    assert answer.headers["Content-Type"] == "application/x-npy"
    assert np.load(io.BytesIO(answer.content)).tolist() == [[1, 0]]


def test_its_library_has_seen_the_processor_before_workers_were_confined(endpoint):
    assert ask(endpoint, GOOD, "tax").status_code == 200
    assert "cpuinfo" not in endpoint.log


def test_what_is_no_model_is_refused_in_words(endpoint):
    answer = ask(endpoint, BROKEN, "tax")
    assert answer.status_code == 424
    assert "is no ONNX file" in json.dumps(answer.json())
    assert ask(endpoint, GOOD, "tax").status_code == 200


def test_a_graph_that_does_not_end_costs_its_own_request(endpoint):
    assert ask(endpoint, ENDLESS, "tax").status_code == 200
    answer = ask(endpoint, ENDLESS, "electricity")
    assert answer.status_code == 424
    assert ask(endpoint, GOOD, "tax").json() == {"embeddings": [[1, 0]]}
    assert ask(endpoint, ENDLESS, "tax").status_code == 200
