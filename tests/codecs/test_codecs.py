"""Our codec beside those of KServe and MLServer: what one writes the others read, to the last bit.

Both directions, every datatype they have. Where another codec differs from the protocol, or cannot
do what ours can, a test says so.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.open_inference import answer
from models.open_inference.arrays import from_bytes, to_bytes
from models.open_inference.framing import json_bytes_of
from models.serving import Request
from models.tensors import NUMPY_TYPES
from tests.support.drawn_tensors import FINITE, is_utf8, same, tensors
from tests.support.tensors import ALL, TYPE, echo_of, objects, request

# Neither of the two has BF16.
THEIRS = [name for name in ALL if name != "BF16"]
IN_JSON = [name for name in THEIRS if name != "FP16"]  # KServe refuses FP16 in JSON
FEW = settings(deadline=None, max_examples=30)


def line(name, array, *, is_binary=True):
    """A tensor as the other program reads it."""
    if name == "BYTES":
        content: Any = [each.hex() for each in array.ravel()]
    else:
        content = np.ascontiguousarray(array, NUMPY_TYPES[name]).tobytes().hex()
    head = {"name": name, "datatype": name, "shape": list(array.shape)}
    return head | {"bytes": content, "binary": is_binary}


def array_of(found):
    """A tensor that the other program tells."""
    datatype, shape = found["datatype"], found["shape"]
    if datatype == "BYTES":
        return objects(*map(bytes.fromhex, found["bytes"])).reshape(shape)
    return np.frombuffer(bytes.fromhex(found["bytes"]), NUMPY_TYPES[datatype]).reshape(shape)


def ours_of(name, array, *, is_binary):
    """Our answer that has this tensor: its body, and how much of it is JSON (None: all)."""
    model = echo_of(name)
    # The tensor comes to our model as bytes, whichever way it is to be answered.
    data = to_bytes(name, array)
    sent = {"name": name, "datatype": name, "shape": list(array.shape)}
    sent["parameters"] = {"binary_data_size": len(data)}
    wanted = {"binary_data_output": is_binary}
    head = json.dumps({"id": "7", "inputs": [sent], "parameters": wanted}).encode()
    said = answer(model, request(head + data, len(head)))
    body = said.body if isinstance(said.body, bytes) else said.body.encode()
    is_split = said.content_type.startswith(TYPE)
    return body, json_bytes_of(said.content_type, len(body)) if is_split else None


def wrote(found):
    """What the other program wrote, as a request to us."""
    assert "error" not in found, found
    return request(bytes.fromhex(found["body"]), found["json_bytes"])


@pytest.mark.parametrize("datatype", THEIRS)
@FEW
@given(data=st.data())
def test_bytes_that_kserve_writes_are_read(others, datatype, data):
    array = data.draw(tensors(datatype))
    model = echo_of(datatype)
    parameters = {"top_k": 3, "binary_data_output": True}
    asked = {"tensors": [line(datatype, array)], "outputs": [], "parameters": parameters}
    answer(model, wrote(others.ask("kserve", "write_request", **asked)))
    assert same(model.inputs[datatype], array)
    assert model.parameters == {"top_k": 3}


@pytest.mark.parametrize("datatype", IN_JSON)
@FEW
@given(data=st.data())
def test_json_that_kserve_writes_is_read(others, datatype, data):
    array = data.draw(tensors(datatype, **(FINITE if datatype.startswith("FP") else {})))
    model = echo_of(datatype)
    asked = {"tensors": [line(datatype, array, is_binary=False)], "outputs": [], "parameters": {}}
    found = others.ask("kserve", "write_request", **asked)
    if datatype == "BYTES" and not all(map(is_utf8, array.ravel())):
        assert "UTF-8" in found["error"]
        return
    answer(model, wrote(found))
    assert same(model.inputs[datatype], array)


@pytest.mark.parametrize("datatype", THEIRS)
@FEW
@given(data=st.data())
def test_kserve_reads_our_bytes(others, datatype, data):
    array = data.draw(tensors(datatype))
    body, json_bytes = ours_of(datatype, array, is_binary=True)
    assert json_bytes is not None
    found = others.ask("kserve", "read_response", body=body.hex(), json_bytes=json_bytes)
    if datatype == "BYTES" and not all(map(is_utf8, array.ravel())):
        assert "UTF-8" in found["error"]  # it makes text of all BYTES it reads
        return
    assert same(array_of(found["tensors"][0]), array)


@pytest.mark.parametrize("datatype", THEIRS)
@FEW
@given(data=st.data())
def test_kserve_reads_our_json(others, datatype, data):
    array = data.draw(tensors(datatype, **(FINITE if datatype.startswith("FP") else {})))
    if datatype == "BYTES" and not all(map(is_utf8, array.ravel())):
        with pytest.raises(BadInput, match="no UTF-8"):
            ours_of(datatype, array, is_binary=False)
        return
    body, json_bytes = ours_of(datatype, array, is_binary=False)
    assert json_bytes is None
    found = others.ask("kserve", "read_response", body=body.hex(), json_bytes=None)
    assert same(array_of(found["tensors"][0]), array)


@pytest.mark.parametrize("datatype", THEIRS)
@FEW
@given(data=st.data())
def test_an_answer_of_kserve_has_our_bytes(others, datatype, data):
    array = data.draw(tensors(datatype))
    found = others.ask("kserve", "write_response", tensors=[line(datatype, array)], binary=True)
    body, json_bytes = ours_of(datatype, array, is_binary=True)
    assert bytes.fromhex(found["body"])[found["json_bytes"] :] == body[json_bytes:]


@pytest.mark.parametrize("datatype", THEIRS)
@FEW
@given(data=st.data())
def test_mlserver_packs_and_unpacks_as_we_do(others, datatype, data):
    array = data.draw(tensors(datatype))
    sent = to_bytes(datatype, array)
    head = {"name": datatype, "shape": list(array.shape), "datatype": datatype}
    found = others.ask("mlserver", "unpack", **head, body=sent.hex())["tensors"][0]
    assert same(array_of(found), array)
    packed = bytes.fromhex(others.ask("mlserver", "pack", tensors=[line(datatype, array)])["body"])
    assert same(from_bytes("x", datatype, array.shape, memoryview(packed)), array)


@pytest.mark.parametrize("datatype", THEIRS)
@FEW
@given(data=st.data())
def test_json_goes_to_mlserver_and_back(others, datatype, data):
    array = data.draw(tensors(datatype, **(FINITE if datatype.startswith("FP") else {})))
    if datatype == "BYTES" and not all(map(is_utf8, array.ravel())):
        return  # JSON of neither has these; see KServe's
    body, _ = ours_of(datatype, array, is_binary=False)
    found = others.ask("mlserver", "read_response", body=body.hex())
    assert same(array_of(found["tensors"][0]), array)
    model = echo_of(datatype)
    answer(model, wrote(others.ask("mlserver", "write_request", tensors=[line(datatype, array)])))
    assert same(model.inputs[datatype], array)


def test_several_tensors_go_each_its_own_way(others):
    array = {
        "INT32": np.array([[1, -2]], "<i4"),
        "BYTES": objects("Kühe".encode(), b"").reshape(1, 2),
        "FP16": np.array([[0.1], [-65504]], "<f2"),
        "BOOL": np.array([[True, False]]),
        "FP64": np.empty((0, 3), "<f8"),
        "UINT64": np.array([[2**64 - 1]], "<u8"),
    }
    are_binary = {"INT32", "BYTES", "FP16", "FP64"}
    model = echo_of(*array)
    found = others.ask(
        "kserve", "write_request", parameters={},
        tensors=[line(name, one, is_binary=name in are_binary) for name, one in array.items()],
        outputs=[
            {"name": "UINT64", "parameters": {"binary_data": True}},
            {"name": "BYTES", "parameters": {"binary_data": False}},
            {"name": "FP16", "parameters": {"binary_data": True}},
        ],
    )  # fmt: skip
    said = answer(model, wrote(found))
    assert all(same(model.inputs[name], one) for name, one in array.items())
    assert model.wanted == ["UINT64", "BYTES", "FP16"]
    body = said.body
    assert isinstance(body, bytes)
    read = others.ask(
        "kserve", "read_response", body=body.hex(),
        json_bytes=json_bytes_of(said.content_type, len(body)),
    )["tensors"]  # fmt: skip
    assert [each["name"] for each in read] == model.wanted
    assert all(same(array_of(each), array[each["name"]]) for each in read)


@pytest.mark.parametrize("flag", [True, False])
def test_flags_say_the_same_to_both(others, flag):
    wanted = [
        {"name": "INT8", "parameters": {"binary_data": not flag}},
        {"name": "INT16", "parameters": {}},
    ]
    tensor = line("INT8", np.array([[1]], "i1"))
    written = others.ask(
        "kserve", "write_request", tensors=[tensor], outputs=wanted,
        parameters={"binary_data_output": flag},
    )  # fmt: skip
    read = others.ask("kserve", "read_request", **written)
    assert read["all_binary"] is flag
    assert read["outputs"] == [["INT8", not flag], ["INT16", None]]
    said = answer(echo_of("INT8", "INT16"), wrote(written))
    head = said.body[: json_bytes_of(said.content_type, len(said.body))]
    told = {each["name"]: "data" not in each for each in json.loads(head)["outputs"]}
    assert told == {"INT8": not flag, "INT16": flag}


def test_what_all_refuse(others):
    sent = {"name": "INT8", "datatype": "INT8", "shape": [1, 2]}
    body = json.dumps({"inputs": [sent | {"data": [1]}]}).encode()
    with pytest.raises(BadInput, match="has 2 elements, not 1"):
        answer(echo_of("INT8"), Request(TYPE, None, body))
    assert "error" in others.ask("kserve", "read_request", body=body.hex(), json_bytes=None)
    assert "error" in others.ask("mlserver", "read_request", body=body.hex())
    head = json.dumps({"inputs": [sent | {"parameters": {"binary_data_size": 1}}]}).encode()
    with pytest.raises(BadInput, match="takes 2 bytes; 1 are there"):
        answer(echo_of("INT8"), request(head + b"1", len(head)))
    short = (head + b"1").hex()
    assert "error" in others.ask("kserve", "read_request", body=short, json_bytes=len(head))
