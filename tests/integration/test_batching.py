"""Many callers of one sentence encoder at a time: computed together, answered each by itself."""

from __future__ import annotations

import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import onnx
import pytest
import requests
from onnx import TensorProto, helper
from prometheus_client.parser import text_string_to_metric_families

from mme.training.archive import write_archive
from models.Embedding.miniature import WORDS, write_miniature
from tests.integration.test_sentence_embeddings import endless
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.waiting import eventually

BUSY, OTHER, ENDLESS = "busy.tar.gz", "other.tar.gz", "endless.tar.gz"
LONG = "keyphrases.tar.gz"
LONG_TEXT = "Viele Vögel sterben an Windrädern. ".encode() * 8000
"""Over which it takes its time."""
CLIENTS = 32
TIMEOUT_S = 20
TURNS = 300
"""Of a loop in the graph, which take a few milliseconds whatever they are done for."""
WARM = 20
"""Requests after which it is known how long the model takes, its load aside."""


def busy() -> bytes:
    """A graph that gives a token its number as a vector, and takes its time."""
    values = [
        helper.make_tensor(name, kind, shape, content)
        for name, kind, shape, content in (
            ("turns", TensorProto.INT64, [], [TURNS]),
            ("always", TensorProto.BOOL, [], [True]),
            ("last", TensorProto.INT64, [1], [2]),
        )
    ]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("Abs", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["numbers", "last"], ["wide"]),
        helper.make_node("Loop", ["turns", "always", "wide"], ["last_hidden_state"], body=body),
    ]
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "t", 1])
    graph = helper.make_graph(nodes, "busy", shapes, [out], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batching")
    store = folder / "store"
    store.mkdir()
    for target, graph in ((BUSY, busy()), (OTHER, None), (ENDLESS, endless())):
        artifact = folder / target.removesuffix(".tar.gz")
        artifact.mkdir()
        write_miniature(artifact)
        params = {"engine": "onnx", "pooling": "mean", "max_tokens": 16, "normalize": False}
        (artifact / "Embedding-params.json").write_text(json.dumps(params))
        if graph is not None:
            (artifact / "Embedding-model").write_bytes(graph)
        write_archive(artifact, store / target)
    shutil.copy(PROJECT / "artifacts" / "TopicalPageRank.tar.gz", store / LONG)
    settings = {
        "MME_INVOKE_TIMEOUT_S": str(TIMEOUT_S),
        "MME_POOL_MIN": "1",
        "MME_POOL_MAX": "1",
    }
    with running_endpoint(str(store), folder, settings) as running:
        for target in (BUSY, OTHER, ENDLESS):
            for _ in range(WARM):
                assert ask(running, target, "tax").ok
        yield running


def ask(endpoint, target, body, content_type="text/plain"):
    headers = {"X-Amzn-SageMaker-Target-Model": target, "Content-Type": content_type}
    return requests.post(f"{endpoint.url}/invocations", body, headers=headers, timeout=60)


def infer(endpoint, target, text):
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}
    url = f"{endpoint.url}/v2/models/{target}/infer"
    return requests.post(url, json={"inputs": [tensor]}, timeout=60).json()["outputs"][0]["data"]


def texts(count=CLIENTS):
    """Texts of two to fifteen words, no two with the same vector."""
    pairs = [(one, many) for one in range(1, 9) for many in range(1, 8) if np.gcd(one, many) == 1]
    return ["tax " * one + "electricity " * many for one, many in pairs[:count]]


def vector(text):
    return np.mean([WORDS.index(word) for word in text.split()])


def at_once(calls):
    """The answers to calls of which all are under way at a time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(*call) for call in calls]
        return [each.result() for each in running]


def samples(endpoint, name):
    """What a family of metrics says as a whole, by its samples' names."""
    text = requests.get(f"{endpoint.url}/metrics", timeout=10).text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        if family.name == name
        for sample in family.samples
        if not sample.labels
    }


def gauge(endpoint, name):
    return samples(endpoint, name)[name]


def sizes(endpoint):
    """How many requests to models that take several have been computed, and in how many goes."""
    found = samples(endpoint, "mme_batch_requests")
    return int(found["mme_batch_requests_sum"]), int(found["mme_batch_requests_count"])


def assert_each_has_its_own(answers, asked):
    assert [each.status_code for each in answers] == [200] * len(asked)
    found = [each.json()["embeddings"][0] for each in answers]
    np.testing.assert_allclose(found, [[vector(text)] for text in asked], rtol=1e-5)


def test_each_of_many_callers_gets_its_own_answer_from_few_computings(endpoint):
    requests_before, goes_before = sizes(endpoint)
    asked = texts()
    answers = at_once([(ask, endpoint, BUSY, text) for text in asked])
    assert_each_has_its_own(answers, asked)
    found = sizes(endpoint)
    while found[0] < requests_before + len(asked):  # states are kept for half a second
        found = sizes(endpoint)
    assert found[1] - goes_before < len(asked)


def test_tensors_go_together_as_well_and_statistics_tell(endpoint):
    url = f"{endpoint.url}/v2/models/{BUSY}/stats"
    [before] = requests.get(url, timeout=10).json()["model_stats"]
    asked = texts()
    found = at_once([(infer, endpoint, BUSY, text) for text in asked])
    np.testing.assert_allclose(found, [[vector(text)] for text in asked], rtol=1e-5)
    [after] = requests.get(url, timeout=10).json()["model_stats"]
    assert after["inference_count"] - before["inference_count"] == len(asked)
    assert 0 < after["execution_count"] - before["execution_count"] < len(asked)


def test_a_request_that_is_wrong_is_the_only_one_that_is_told_so(endpoint):
    asked = texts()
    wrong = [(ask, endpoint, BUSY, "{", "application/json"), (ask, endpoint, BUSY, " ")]
    answers = at_once([(ask, endpoint, BUSY, text) for text in asked] + wrong)
    assert_each_has_its_own(answers[: len(asked)], asked)
    for refused in answers[len(asked) :]:
        assert refused.status_code == 424
        told = json.loads(refused.json()["OriginalMessage"])
        assert (told["type"], told["target_model"]) == ("BadInput", BUSY)


def test_models_that_are_asked_at_the_same_time_do_not_see_each_other(endpoint):
    asked = texts(16)
    calls = [(ask, endpoint, target, text) for text in asked for target in (BUSY, OTHER)]
    answers = at_once(calls)
    assert_each_has_its_own(answers[::2], asked)
    assert all(len(each.json()["embeddings"][0]) == 2 for each in answers[1::2])


def test_callers_that_leave_take_no_answer_of_others_along(endpoint):
    where = urlsplit(endpoint.url)
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 3\r\n"
        f"X-Amzn-SageMaker-Target-Model: {BUSY}\r\nContent-Type: text/plain\r\n\r\ntax"
    )

    def leave():
        with socket.create_connection((where.hostname, where.port)) as connection:
            connection.sendall(head.encode())

    asked = texts(16)
    calls = [call for text in asked for call in ((ask, endpoint, BUSY, text), (leave,))]
    assert_each_has_its_own(at_once(calls)[::2], asked)


def test_one_that_never_ends_is_the_only_one_without_an_answer(endpoint):
    # While the only worker computes, the others come and wait: then they go together.
    with ThreadPoolExecutor(1) as pool:
        occupying = pool.submit(ask, endpoint, LONG, LONG_TEXT)
        eventually(lambda: gauge(endpoint, "mme_workers_busy"), bool)
        calls = [(ask, endpoint, ENDLESS, "tax")] * 8
        *answers, hung = at_once([*calls, (ask, endpoint, ENDLESS, "electricity")])
        assert occupying.result().ok
    assert [each.status_code for each in answers] == [200] * 8
    assert hung.status_code == 424
    assert_each_has_its_own([ask(endpoint, BUSY, "tax")], ["tax"])
