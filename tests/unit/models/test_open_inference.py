"""Tensors on the wire: what is sent comes back, as tritonclient writes and reads it."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from models.errors import BadInput
from models.open_inference import answer
from models.open_inference.arrays import from_bytes, from_json, to_bytes, to_json
from models.serving import Request
from models.tensors import TensorSpec
from tests.support.drawn_tensors import FINITE, is_utf8, same, tensors
from tests.support.tensors import ALL, TYPE, Echo, echo_of, objects, request

PLAIN = [name for name in ALL if name not in ("BYTES", "BF16")]


@pytest.mark.parametrize("datatype", ALL)
@settings(deadline=None)
@given(data=st.data())
def test_the_bytes_of_a_tensor_are_the_tensor(datatype, data):
    array = data.draw(tensors(datatype))
    sent = to_bytes(datatype, array)
    assert same(from_bytes("x", datatype, array.shape, memoryview(sent)), array)
    # Wherever they begin in a body.
    assert same(from_bytes("x", datatype, array.shape, memoryview(b"_" + sent)[1:]), array)


@pytest.mark.parametrize("datatype", [name for name in ALL if name != "BF16"])
@settings(deadline=None)
@given(data=st.data())
def test_the_json_of_a_tensor_is_the_tensor_flat_or_nested(datatype, data):
    finite = FINITE if datatype.startswith("FP") else {}
    array = data.draw(tensors(datatype, **finite))
    if datatype == "BYTES" and not all(map(is_utf8, array.ravel())):
        with pytest.raises(BadInput, match="no UTF-8"):
            to_json("x", datatype, array)
        return
    sent = json.loads(json.dumps(to_json("x", datatype, array)))
    assert same(from_json("x", datatype, array.shape, sent), array)
    nested = [sent[row * array.shape[1] :][: array.shape[1]] for row in range(array.shape[0])]
    if array.size:
        assert same(from_json("x", datatype, array.shape, nested), array)


def triton_input(name, array, *, is_binary=True):
    sent = InferInput(name, list(array.shape), name)
    sent.set_data_from_numpy(array, binary_data=is_binary)
    return sent


@pytest.mark.parametrize("datatype", [*PLAIN, "BYTES"])
@settings(deadline=None)
@given(data=st.data())
def test_what_tritonclient_writes_is_read_and_what_is_answered_it_reads(datatype, data):
    array = data.draw(tensors(datatype))
    model = echo_of(datatype)
    body, json_bytes = InferenceServerClient.generate_request_body(
        [triton_input(datatype, array)],
        outputs=[InferRequestedOutput(datatype, binary_data=True)],
        request_id="7",
        parameters={"top_k": 3},
    )
    said = answer(model, request(body, json_bytes))
    assert same(model.inputs[datatype], array)
    assert model.parameters == {"top_k": 3}
    head_bytes = int(said.content_type.removeprefix(f"{TYPE};json-header-size="))
    read = InferenceServerClient.parse_response_body(said.body, header_length=head_bytes)
    assert read.get_response()["id"] == "7"
    assert read.get_response()["model_name"] == "m"
    assert same(read.as_numpy(datatype), array)


def test_bf16_goes_as_tritonclient_sends_it():
    array = np.array([[1.0, -2.5, 0.0]], ml_dtypes.bfloat16)
    model = echo_of("BF16")
    body, json_bytes = InferenceServerClient.generate_request_body([triton_input("BF16", array)])
    said = answer(model, request(body, json_bytes))
    assert model.inputs["BF16"].tolist() == [[0x3F80, 0xC020, 0]]
    head_bytes = int(said.content_type.rpartition("=")[2])
    read = InferenceServerClient.parse_response_body(said.body, header_length=head_bytes)
    assert same(read.as_numpy("BF16"), array)
    with pytest.raises(BadInput, match="BF16, which has no form in JSON"):
        to_json("x", "BF16", model.inputs["BF16"])


@pytest.mark.parametrize("in_binary", [True, False])
@pytest.mark.parametrize("out_binary", [True, False])
def test_json_and_bytes_go_together_in_one_request(in_binary, out_binary):
    model = echo_of("INT32", "BYTES", "FP32")
    sent = {
        "INT32": np.array([[1, -2]], np.int32),
        "BYTES": objects("Kühe".encode(), b"").reshape(2, 1),
        "FP32": np.array([[0.1]], np.float32),
    }
    body, json_bytes = InferenceServerClient.generate_request_body(
        [
            triton_input("INT32", sent["INT32"]),
            triton_input("BYTES", sent["BYTES"], is_binary=in_binary),
            triton_input("FP32", sent["FP32"], is_binary=False),
        ],
        outputs=[
            InferRequestedOutput("FP32", binary_data=out_binary),
            InferRequestedOutput("BYTES", binary_data=True),
            InferRequestedOutput("INT32", binary_data=False),
        ],
    )
    said = answer(model, request(body, json_bytes))
    assert model.wanted == ["FP32", "BYTES", "INT32"]
    head_bytes = int(said.content_type.rpartition("=")[2])
    read = InferenceServerClient.parse_response_body(said.body, header_length=head_bytes)
    assert [output["name"] for output in read.get_response()["outputs"]] == model.wanted
    for name, array in sent.items():
        assert same(read.as_numpy(name), array)


def inference(**more):
    """A request in JSON for the echo of INT32."""
    one = {"name": "INT32", "shape": [1, 2], "datatype": "INT32", "data": [1, 2]}
    return json.dumps({"inputs": [one]} | more).encode()


def test_an_answer_is_json_unless_bytes_are_asked_for():
    said = answer(echo_of("INT32"), request(inference(id="a")))
    assert said.content_type == "application/json"
    output = {"name": "INT32", "datatype": "INT32", "shape": [1, 2], "data": [1, 2]}
    assert json.loads(said.body) == {
        "id": "a", "model_name": "m", "model_version": "1", "outputs": [output],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("all_binary", "own", "is_binary"),
    [(None, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_what_one_output_says_overrules_what_the_request_says(all_binary, own, is_binary):
    parameters = {} if all_binary is None else {"binary_data_output": all_binary}
    output = {"name": "INT32", "parameters": {} if own is None else {"binary_data": own}}
    model = echo_of("INT32")
    said = answer(model, request(inference(parameters=parameters, outputs=[output])))
    assert ("json-header-size" in said.content_type) is is_binary
    assert model.parameters == {}


def test_the_protocols_own_parameters_are_no_models():
    model = echo_of("INT32")
    body, json_bytes = InferenceServerClient.generate_request_body(
        [triton_input("INT32", np.array([[1]], np.int32))],
        sequence_id=3, sequence_start=True, priority=1, timeout=5, parameters={"mine": "x"},
    )  # fmt: skip
    answer(model, request(body, json_bytes))
    assert model.parameters == {"mine": "x"}


def test_no_bytes_of_an_empty_input_may_follow_a_body_that_is_all_json():
    model = echo_of("FP32")
    told = {"parameters": {"binary_data_size": 0}, "data": None}
    empty = {"name": "FP32", "shape": [0, 2], "datatype": "FP32"} | told
    answer(model, request(json.dumps({"inputs": [empty]}).encode()))
    assert model.inputs["FP32"].shape == (0, 2)
    empty["shape"] = [1, 2]
    with pytest.raises(BadInput, match="takes 8 bytes; 0 are there"):
        answer(model, request(json.dumps({"inputs": [empty]}).encode()))


def test_a_body_without_json_is_the_one_input():
    model = Echo(TensorSpec("x", "FP32", (2, -1)))
    said = answer(model, request(np.arange(6, dtype=np.float32).tobytes(), 0))
    assert model.inputs["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert said.content_type.startswith(TYPE)
    model = Echo(TensorSpec("x", "BYTES", (-1,)))
    answer(model, request(b"all of it", 0))
    assert model.inputs["x"].tolist() == [b"all of it"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (echo_of("INT32", "FP32"), "is one input; the model takes INT32, FP32"),
        (echo_of("INT32"), "more than one size that is open"),
        (Echo(TensorSpec("x", "BYTES", (2,))), "2 elements"),
        (Echo(TensorSpec("x", "INT32", (3,))), "takes 12 bytes; 9 are there"),
        (Echo(TensorSpec("x", "INT32", (0, -1))), "takes 0 bytes; 9 are there"),
    ],
    ids=["two inputs", "two open sizes", "two texts", "another size", "nothing"],
)
def test_a_body_without_json_must_be_all_of_the_input(model, message):
    with pytest.raises(BadInput, match=message):
        answer(model, request(b"123456789", 0))


def test_names_that_are_not_ascii_come_back_as_the_caller_wrote_them():
    said = answer(echo_of("INT32"), request(inference(), name="en/gr%C3%B6%C3%9Fe%20.tar.gz"))
    assert json.loads(said.body)["model_name"] == "en/größe .tar.gz"


@pytest.mark.parametrize("kind", [None, "", "application/json", f"x{TYPE}", f"{TYPE}x"])
def test_other_content_types_are_the_models_own(kind):
    said = answer(echo_of("INT32"), Request(kind, None, b""))
    assert said.body == f"own form of {kind}"


def test_generate_takes_a_text_and_answers_one():
    model = Echo(TensorSpec("BYTES", "BYTES", (-1,)))
    asked = {"text_input": "Kühe", "id": "1", "stream": False, "parameters": {"a": 1}, "b": 2}
    said = answer(
        model, Request("application/vnd.mme.generate+json", None, json.dumps(asked).encode())
    )
    assert json.loads(said.body) == {
        "id": "1", "model_name": "", "model_version": "1", "text_output": "Kühe",
    }  # fmt: skip
    assert model.parameters == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("model", "asked", "message"),
    [
        (echo_of("INT32"), {"text_input": "a"}, "does not make texts of texts"),
        (echo_of("BYTES"), {"text": "a"}, "text_input must be a string, not None"),
        (echo_of("BYTES"), {"text_input": "\ud800"}, "half a surrogate pair"),
        (echo_of("BYTES"), [], "must be an object"),
    ],
    ids=["no texts", "no text", "no letter", "no object"],
)
def test_generate_says_what_is_wrong(model, asked, message):
    body = json.dumps(asked).encode()
    with pytest.raises(BadInput, match=message):
        answer(model, Request("application/vnd.mme.generate+json", None, body))
