"""Artifacts of the family Embedding that are broken, or mean harm: each is refused in words."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from models.Embedding.miniature import write_miniature
from models.Embedding.onnx_writer import FLOAT, INT64, Graph
from models.errors import ArtifactError
from models.onnx.check import MOST_DEPTH, check_onnx
from models.onnx.protobuf import NotProtobuf, fields, message
from models.registry import load_model
from models.serving import Request

MODEL = "Embedding-model"
hostile = pytest.mark.hostile("artifacts")


@pytest.fixture
def folder(tmp_path):
    write_miniature(tmp_path)
    return tmp_path


def refusal(folder) -> str:
    with pytest.raises(ArtifactError) as caught:
        load_model(folder, folder / "scratch")
    return str(caught.value)


def graph_of(make) -> bytes:
    graph = Graph()
    graph.input("input_ids", INT64, ("batch", "tokens"))
    graph.input("attention_mask", INT64, ("batch", "tokens"))
    make(graph)
    return graph.file()


def model_of(node: bytes = b"", tensor: bytes = b"", domain: str = "") -> bytes:
    graph = message((1, node), (5, tensor)) if node or tensor else b""
    return message((1, 9), (8, message((1, domain), (2, 20))), (7, graph))


@hostile
@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../../../etc/passwd", "weights.bin", "\0", ""]
)
def test_weights_in_another_file_are_refused(folder, location):
    entry = message((1, "location"), (2, location))
    tensor = message((1, 5), (1, 2), (2, FLOAT), (8, "words"), (13, entry), (14, 1))
    (folder / MODEL).write_bytes(model_of(tensor=tensor))
    assert refusal(folder).startswith(f"{MODEL}: keeps weights in another file")


@hostile
def test_weights_in_another_file_are_found_wherever_they_are(folder):
    tensor = message((14, 1))
    inner = message((5, tensor))
    for attribute in (message((5, tensor)), message((6, inner)), message((11, inner))):
        node = message((4, "Constant"), (5, attribute))
        (folder / MODEL).write_bytes(model_of(node=node))
        assert "keeps weights in another file" in refusal(folder)
    function = message((1, "f"), (7, message((4, "Constant"), (5, message((5, tensor))))))
    (folder / MODEL).write_bytes(model_of(node=message((4, "f"))) + message((25, function)))
    assert "keeps weights in another file" in refusal(folder)


@hostile
@pytest.mark.parametrize("more", [1 << 32, 3 << 33])
def test_weights_in_another_file_are_found_however_numbers_are_written(folder, more):
    # Google's reader takes the low 32 bits of a field's key, and of an enumeration.
    external = message((14, 1 + more))
    (folder / MODEL).write_bytes(model_of(tensor=external))
    assert "keeps weights in another file" in refusal(folder)
    entry = message((1, "location"), (2, "weights.bin"))
    tensor = message((13 + (more >> 3), entry))
    (folder / MODEL).write_bytes(model_of(tensor=tensor))
    assert "is no ONNX file: a field's number of more than 32 bits" in refusal(folder)


@hostile
def test_operations_of_other_libraries_are_refused(folder):
    (folder / MODEL).write_bytes(model_of(node=message((4, "Run"), (7, "org.evil"))))
    assert "operations of 'org.evil', of a library of its own" in refusal(folder)
    (folder / MODEL).write_bytes(model_of(node=message((4, "Add")), domain="org.evil"))
    assert "operations of 'org.evil', of a library of its own" in refusal(folder)
    for name in ("EPContext", "PythonOp"):
        node = message((4, name), (7, "com.microsoft"))
        (folder / MODEL).write_bytes(model_of(node=node))
        assert f"has the operation {name}" in refusal(folder)


@hostile
def test_graphs_in_graphs_end_somewhere(folder):
    graph = message((1, message((4, "Identity"))))
    for _ in range(MOST_DEPTH):
        graph = message((1, message((4, "If"), (5, message((6, graph))))))
    (folder / MODEL).write_bytes(message((7, graph)))
    assert "graphs in graphs" in refusal(folder)


@hostile
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 64, b"PK\3\4" * 9, b"\x3a\xff\xff\xff\xff\x0f", b"\x08\x09", b"x" * 9],
)
def test_what_is_no_onnx_file_is_refused(folder, content):
    (folder / MODEL).write_bytes(content)
    assert refusal(folder).startswith(MODEL)


@hostile
def test_the_librarys_own_format_is_not_read(folder):
    (folder / MODEL).write_bytes(b"\x18\0\0\0ORTM" + bytes(64))
    assert "is no ONNX file" in refusal(folder)


@hostile
def test_a_cut_file_is_refused(folder):
    whole = (folder / MODEL).read_bytes()
    for size in range(0, len(whole), 7):
        (folder / MODEL).write_bytes(whole[:size])
        assert refusal(folder).startswith(MODEL)


@hostile
@pytest.mark.parametrize("size", [10**6, 10**12, 2**62])
def test_a_constant_that_says_it_is_larger_than_it_is_is_refused(folder, size):
    tensor = message((1, size), (1, 2), (2, FLOAT), (8, "words"), (9, bytes(8)))
    node = message((1, "words"), (1, "input_ids"), (2, "y"), (4, "Gather"))
    graph = message(
        (1, node), (2, "g"), (5, tensor), (12, message((1, "y"))), (11, message((1, "input_ids")))
    )
    (folder / MODEL).write_bytes(message((1, 9), (8, message((1, ""), (2, 20))), (7, graph)))
    assert refusal(folder).startswith(MODEL)


@hostile
def test_a_result_too_large_for_any_memory_is_refused(folder):
    def huge(graph):
        graph.constant("shape", np.array([1, 2**40, 2]))
        graph.node("ConstantOfShape", ["shape"], ["last_hidden_state"])
        graph.output("last_hidden_state", FLOAT, (1, "n", 2))

    (folder / MODEL).write_bytes(graph_of(huge))
    with pytest.raises((ArtifactError, MemoryError)):
        load_model(folder, folder / "scratch")


def _wants(name, kind=INT64):
    def make(graph):
        graph.input(name, kind, ("batch", "tokens"))
        graph.node("Identity", ["input_ids"], ["y"])
        graph.output("y", INT64, ("batch", "tokens"))

    return graph_of(make)


def _gives(shape, *nodes):
    def make(graph):
        graph.constant("numbers", np.zeros(shape, np.float32))
        graph.node("Identity", ["numbers"], ["last_hidden_state"])
        graph.output("last_hidden_state", FLOAT, shape)

    return graph_of(make)


@hostile
@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (_wants("pixels"), "wants pixels"),
        (_wants("token_type_ids", FLOAT), "wants token_type_ids as tensor(float)"),
        (_gives((2, 3)), "pooling mean needs 3 axes"),
        (_gives((7, 1, 3)), "has the shape (7, 1, 3)"),
        (_gives((2, 16, 0)), "vectors of shape (2, 0)"),
    ],
)
def test_a_model_that_fits_no_text_is_refused_before_it_serves(folder, content, wrong):
    (folder / MODEL).write_bytes(content)
    assert wrong in refusal(folder)


@hostile
def test_names_that_are_no_text_are_refused(folder):
    whole = (folder / MODEL).read_bytes()
    (folder / MODEL).write_bytes(whole.replace(b"last_hidden_state", b"last_hidden_stat\xff"))
    assert refusal(folder).startswith(MODEL)


@hostile
def test_a_model_without_outputs_is_refused(folder):
    node = message((1, "input_ids"), (2, "y"), (4, "Identity"))
    tensor = message((1, INT64), (2, message((1, message((2, "n"))))))
    given = message((1, "input_ids"), (2, message((1, tensor))))
    graph = message((1, node), (2, "g"), (11, given))
    opset = message((1, ""), (2, 20))
    (folder / MODEL).write_bytes(message((1, 9), (8, opset), (7, graph)))
    assert refusal(folder).startswith(MODEL)


@hostile
def test_positions_that_run_out_are_found_before_it_serves(folder):
    params = folder / "Embedding-params.json"

    def short(graph):
        graph.constant("places", np.zeros((8, 2), np.float32))
        graph.constant("axis", np.array(1))
        graph.node("CumSum", ["attention_mask", "axis"], ["numbers"])
        graph.node("Gather", ["places", "numbers"], ["last_hidden_state"])
        graph.output("last_hidden_state", FLOAT, ("batch", "tokens", 2))

    (folder / MODEL).write_bytes(graph_of(short))
    params.write_text(json.dumps({"max_tokens": 16}))
    assert "cannot be computed" in refusal(folder)


@hostile
def test_numbers_that_are_not_finite_are_no_answer(folder):
    def divide(graph):
        graph.constant("zero", np.zeros((1, 1, 1), np.float32))
        graph.constant("last", np.array([2]))
        graph.node("Cast", ["input_ids"], ["as_floats"], to=FLOAT)
        graph.node("Unsqueeze", ["as_floats", "last"], ["wide"])
        graph.node("Div", ["wide", "zero"], ["last_hidden_state"])
        graph.output("last_hidden_state", FLOAT, ("batch", "tokens", 1))

    (folder / MODEL).write_bytes(graph_of(divide))
    model = load_model(folder, folder / "scratch")
    with pytest.raises(ArtifactError, match="not finite"):
        model.predict(Request("text/plain", None, b"tax"))


@hostile
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"version": "1.0", "model": {"type": "Evil"}}',
        b'{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": -1}}}',
        b'{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": ["a b"]}}',
    ],
)
def test_a_tokenizer_that_cannot_be_read_is_refused(folder, content):
    (folder / "tokenizer.json").write_bytes(content)
    assert refusal(folder).startswith("tokenizer.json: cannot be read")


@hostile
def test_a_tokenizer_without_what_it_names_is_refused(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["unk_token"] = "[GONE]"
    tokenizer["model"]["vocab"] = {"b": 0}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert refusal(folder).startswith("tokenizer.json: fails at a text")


@hostile
def test_tokens_beyond_the_model_are_refused(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["[UNK]"] = 4_000_000
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "cannot be computed" in refusal(folder)


@hostile
@pytest.mark.parametrize("name", [MODEL, "tokenizer.json"])
def test_a_file_that_is_missing_is_named(folder, name):
    (folder / name).unlink()
    assert refusal(folder) == f"{name}: is missing"


@hostile
@pytest.mark.parametrize(
    ("params", "wrong"),
    [
        ({"engine": "torch"}, "engine is 'torch'"),
        ({"pooling": "max"}, "pooling is 'max'"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"prefix": 5}, "prefix is 5"),
        ({"prefix": "x" * 10**6}, "prefix is 'xxx"),
        ({"output": "none"}, "has no output none"),
        ({"provider": "tpu"}, "provider is 'tpu'"),
        ({"normalize": "maybe"}, "normalize is 'maybe'"),
    ],
)
def test_parameters_are_checked(folder, params, wrong):
    (folder / "Embedding-params.json").write_text(json.dumps(params))
    assert wrong in refusal(folder)


@hostile
def test_looking_a_file_through_takes_time_in_proportion(folder):
    def seconds(count):
        data = message((7, message(*((1, message((4, "Add"))) for _ in range(count)))))
        times = []
        for _ in range(3):
            began = time.process_time()
            check_onnx(folder / MODEL, memoryview(data))
            times.append(time.process_time() - began)
        return min(times)

    assert seconds(40_000) < 40 * max(seconds(4_000), 0.002)


@pytest.mark.parametrize("data", [b"\x0b", b"\x80" * 11, b"\x0a\x05abc", b"\x0d\0\0"])
def test_bytes_that_are_no_message_are_told(data):
    with pytest.raises(NotProtobuf):
        list(fields(memoryview(data)))


def test_a_message_is_read_as_it_was_written():
    data = message((1, 300), (2, "über"), (3, 1.5), (4, b"\0"), (5, -1))
    read = [
        (number, value if isinstance(value, int) else bytes(value))
        for number, value in fields(memoryview(data))
    ]
    assert read == [
        (1, 300), (2, "über".encode()), (3, b"\0\0\xc0\x3f"), (4, b"\0"), (5, 2**64 - 1),
    ]  # fmt: skip
