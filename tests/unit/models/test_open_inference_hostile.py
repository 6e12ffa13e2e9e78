"""Requests of the protocol that are off: each is refused in words, and for what it is worth."""

from __future__ import annotations

import contextlib
import json
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ServingError
from models.open_inference import answer
from models.serving import Request
from tests.support.tensors import TYPE, echo_of, request
from tests.unit.models.test_request_costs import peak_bytes

pytestmark = pytest.mark.hostile("requests to models")

MIB = 1024 * 1024


def refusal(body, json_bytes=None, model=None):
    """What is said of a request."""
    with pytest.raises(ServingError) as error:
        answer(
            model or echo_of("INT32", "BYTES", "FP32", "FP16", "BOOL", "UINT8"),
            request(body, json_bytes),
        )
    assert error.value.status_code == 400
    assert len(error.value.message) < 600
    return error.value.message


def tensor(datatype="INT32", shape=(1, 1), **more):
    return {"name": datatype, "shape": list(shape), "datatype": datatype} | more


def sent(*inputs, **more):
    return json.dumps({"inputs": inputs} | more).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"\xff", "not utf-8"),
        (b"[]", "must be an object"),
        (b'{"inputs": 1}', "inputs must be a list of objects, not 1"),
        (b'{"inputs": [1]}', "inputs must be a list of objects"),
        (b'{"inputs": []}' + b"[" * 100_000, "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (sent(tensor("x")), "no input 'x'; the model takes INT32, BYTES"),
        (sent({}), "no input None"),
        (sent(tensor(data=[1]), tensor(data=[1])), "INT32 is there twice"),
        (sent(tensor(data=[1]) | {"datatype": "INT33"}), "datatype that is none of BOOL"),
        (sent(tensor(data=[1]) | {"datatype": "FP32"}), "INT32 is INT32, not FP32"),
        (sent(tensor(data=[1]) | {"datatype": None}), "datatype that is none"),
        (sent(tensor(data=[1], shape=[1])), r"is of shape \[-1, -1\], not \[1\]"),
        (sent(tensor(data=[1], shape=[1] * 100)), r"is of shape \[-1, -1\], not"),
        (sent(tensor(data=[1], shape=[1, -1])), "no list of sizes"),
        (sent(tensor(data=[1], shape=[1, True])), "no list of sizes"),
        (sent(tensor(data=[1], shape=[1, 1.0])), "no list of sizes"),
        (sent(tensor(data=[1], shape=[2**62, 2**62])), "a shape that no tensor has"),
        (sent(tensor(data=[], shape=[0, 10**400])), "a shape that no tensor has"),
        (sent(tensor(data=[1, 2])), "has 1 elements, not 2"),
        (sent(tensor(data=[[1], [2]])), "not nested as its shape"),
        (sent(tensor(data=[[1, 2]])), "not nested as its shape"),
        (sent(tensor(data=[[1], 2], shape=[2, 1])), "not nested as its shape"),
        (sent(tensor(data=1)), "must be a list, not 1"),
        (sent(tensor()), "neither data nor binary_data_size"),
        (sent(tensor(data=["1"])), "whole numbers, not '1'"),
        (sent(tensor(data=[1.0])), "whole numbers, not 1.0"),
        (sent(tensor(data=[True])), "whole numbers, not True"),
        (sent(tensor(data=[2**31])), "none of INT32"),
        (sent(tensor(data=[10**400])), "none of INT32"),
        (sent(tensor("UINT8", data=[-1])), "none of UINT8"),
        (sent(tensor("BOOL", data=[1])), "booleans, not 1"),
        (sent(tensor("FP32", data=[1e39])), "none of FP32"),
        (sent(tensor("FP32", data=[10**400])), "none of FP32"),
        (sent(tensor("FP16", data=[70000])), "none of FP16"),
        (b'{"inputs": [{"name": "FP32", "shape": [1, 1], "datatype": "FP32", "data": [1e999]}]}',
         "none of FP32"),
        (b'{"inputs": [{"name": "FP32", "shape": [1, 1], "datatype": "FP32", "data": [NaN]}]}',
         "NaN is no JSON value"),
        (sent(tensor("BYTES", data=[1])), "strings, not 1"),
        (sent(tensor("BYTES", data=["\ud800"])), "half a surrogate pair"),
        (sent(tensor(parameters=1)), "parameters that are no object"),
        (sent(tensor(parameters={"binary_data_size": 4})), "no size of the JSON was sent"),
        (sent(tensor(parameters={"binary_data_size": "4"})), "a binary_data_size that is none"),
        (sent(tensor(parameters={"shared_memory_region": "r"})), "shared memory, which is not"),
        (sent(tensor(data=[1]), id=1), "id must be a string"),
        (sent(tensor(data=[1]), id="\ud800"), "id must be a string"),
        (sent(tensor(data=[1]), parameters=[1]), "parameters that are no object"),
        (sent(tensor(data=[1]), parameters={"binary_data_output": 1}), "must be true or false"),
        (sent(tensor(data=[1]), outputs=[{"name": "x"}]), "no output 'x'; the model gives INT32"),
        (sent(tensor(data=[1]), outputs=[{"name": "INT32"}] * 2), "wanted twice"),
        (sent(tensor(data=[1]), outputs=[{"name": "INT32", "parameters": {"classification": 2}}]),
         "classification extension, which is not"),
    ],
)  # fmt: skip
def test_what_is_off_in_the_json_is_named(body, message):
    assert re.search(message, refusal(body))


def binary(head, data, said_bytes=None):
    """A request with bytes behind its JSON."""
    text = json.dumps(head).encode()
    return text + data, len(text) if said_bytes is None else said_bytes


ONE = {"inputs": [tensor(parameters={"binary_data_size": 4})]}
TEXTS = {"inputs": [tensor("BYTES", (2, 1), parameters={"binary_data_size": 10})]}


@pytest.mark.parametrize(
    ("head", "data", "message"),
    [
        (ONE, b"123", "said to have 4 bytes; 3 are left"),
        (ONE, b"12345", "5 bytes follow the JSON, and the inputs have 4 of them"),
        ({"inputs": [tensor(data=[1])]}, b"1", "1 bytes follow the JSON"),
        ({"inputs": [tensor(shape=(1, 2), parameters={"binary_data_size": 4})]}, b"1234",
         "takes 8 bytes; 4 are there"),
        ({"inputs": [tensor(shape=(1, 2**40), parameters={"binary_data_size": 4})]}, b"1234",
         "takes 4398046511104 bytes; 4 are there"),
        (TEXTS, struct.pack("<I", 2) + b"ab" + struct.pack("<I", 2**32 - 1),
         "said to have 4294967295 bytes; 0 are left"),
        (TEXTS, struct.pack("<I", 6) + b"abcdef", "2 elements, whose bytes end at 10 of 10"),
        (TEXTS, struct.pack("<II", 0, 0) + b"ab", "whose bytes end at 8 of 10"),
        ({"inputs": [tensor("BYTES", (2**39, 2), parameters={"binary_data_size": 4})]}, b"1234",
         "1099511627776 elements, for which 4 bytes are too few"),
    ],
)  # fmt: skip
def test_sizes_that_are_not_there_are_refused_before_memory_is_taken(head, data, message):
    body, json_bytes = binary(head, data)
    assert peak_bytes(lambda: refusal(body, json_bytes)) < MIB // 4
    assert message in refusal(body, json_bytes)


@pytest.mark.parametrize(
    "kind",
    [
        f"{TYPE}; json-header-size=2",
        f"{TYPE};json-header-size=",
        f"{TYPE};json-header-size=-1",
        f"{TYPE};json-header-size=+1",
        f"{TYPE};json-header-size=1e1",
        f"{TYPE};json-header-size=2;x=y",
        f"{TYPE};JSON-header-size=2",
        f" {TYPE};json-header-size=2",
        f"{TYPE};json-header-size=99999999999",
        f"{TYPE};json-header-size=٢",
        f"{TYPE};charset=utf-8",
    ],
)
def test_a_content_type_is_what_triton_takes_or_refused(kind):
    with pytest.raises(ServingError, match="json-header-size=N with the number of bytes"):
        answer(echo_of("INT32"), Request(kind, None, b"{}"))


def test_json_cannot_be_longer_than_the_body():
    assert "said to have 3 bytes, and the body has 2" in refusal(b"{}", 3)


def test_what_json_cannot_say_is_asked_for_as_bytes():
    model = echo_of("FP32", "BYTES")
    head = {"inputs": [tensor("FP32", parameters={"binary_data_size": 4})]}
    body, json_bytes = binary(head, np.array([np.nan], np.float32).tobytes())
    said = refusal(body, json_bytes, model)
    assert "FP32 holds a number that is not finite" in said
    head = {"inputs": [tensor("BYTES", parameters={"binary_data_size": 5})]}
    body, json_bytes = binary(head, struct.pack("<I", 1) + b"\xff")
    said = refusal(body, json_bytes, model)
    assert "no UTF-8, which has no form in JSON: ask for its binary data" in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)
INPUT = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["INT32", "BYTES", "x"]) | JSON,
        "datatype": st.sampled_from(["INT32", "BYTES", "x"]) | JSON,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | JSON,
        "data": st.lists(st.integers() | st.text(max_size=2), max_size=4) | JSON,
        "parameters": st.dictionaries(st.just("binary_data_size"), st.integers(-1, 9)) | JSON,
    },
)
REQUEST = st.fixed_dictionaries(
    {"inputs": st.lists(INPUT, max_size=3) | JSON},
    optional={"id": JSON, "parameters": JSON, "outputs": JSON},
)


def status_of(model, asked):
    """200 where a request is answered, else that of its refusal."""
    try:
        return 200 if answer(model, asked).body else 204
    except ServingError as error:
        return error.status_code


@settings(deadline=None)
@given(value=REQUEST, data=st.binary(max_size=24), off=st.integers(-2, 2))
def test_whatever_comes_is_answered_or_refused(value, data, off):
    text = json.dumps(value).encode()
    body = text + data
    json_bytes = max(0, min(len(body), len(text) + off))
    assert status_of(echo_of("INT32", "BYTES"), request(body, json_bytes)) in (200, 400)


@settings(deadline=None)
@given(body=st.binary(max_size=64), json_bytes=st.integers(0, 64) | st.none())
def test_any_bytes_are_answered_or_refused(body, json_bytes):
    assert status_of(echo_of("BYTES", shape=(-1,)), request(body, json_bytes)) in (200, 400)


def many(kind):
    """A large request, and a model for it."""
    count = MIB // 8
    match kind:
        case "empty texts":
            head = {
                "inputs": [tensor("BYTES", (count, 1), parameters={"binary_data_size": 4 * count})]
            }
            return binary(head, bytes(4 * count))
        case "short texts":
            data = (struct.pack("<I", 2) + b"ab") * count
            head = {
                "inputs": [tensor("BYTES", (count, 1), parameters={"binary_data_size": len(data)})]
            }
            return binary(head, data)
        case "lists in lists":
            return sent(tensor(shape=(count, 1), data=[[1]] * count)), None
        case "inputs without a name":
            return sent(*[{}] * count), None
        case "sizes":
            return sent(tensor(shape=[1] * count, data=[1])), None
        case _:
            return sent(tensor(data=[1]), outputs=[{"name": "x" * count}] * 8), None


@pytest.mark.parametrize(
    "kind",
    ["empty texts", "short texts", "lists in lists", "inputs without a name", "sizes", "outputs"],
)
def test_memory_grows_as_the_request_does(kind):
    body, json_bytes = many(kind)

    def ask():
        with contextlib.suppress(ServingError):
            answer(echo_of("BYTES", "INT32"), request(body, json_bytes))

    assert peak_bytes(ask) < 40 * len(body) + 8 * MIB
