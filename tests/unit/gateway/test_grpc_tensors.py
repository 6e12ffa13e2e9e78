"""Tensors of gRPC's messages: what the worker's own codec reads of them, and what comes back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from mme.core.errors import InvalidRequest
from mme.gateway.grpc.tensors import CONTENTS, body_of, inferred
from models.open_inference import answer
from models.open_inference.arrays import to_bytes
from models.tensors import NUMPY_TYPES
from tests.support.tensors import ALL, echo_of, objects, request

VALUES = {"b": [True, False], "u": [0, 200], "i": [-3, 100], "f": [0.5, -math.inf]}


def array_of(datatype):
    if datatype == "BYTES":
        return objects(b"", "größe".encode())
    kind = NUMPY_TYPES[datatype]
    return np.array(VALUES[kind.kind], np.float32 if kind.kind == "f" else None).astype(kind)


def tensor(datatype, **more):
    return pb.ModelInferRequest.InferInputTensor(
        name=datatype, datatype=datatype, shape=[1, 2], **more
    )


def asked(sent, *datatypes):
    """What a model with these inputs is given, and the message of its answer."""
    model = echo_of(*datatypes)
    body, size = body_of(sent)
    response = answer(model, request(body, size))
    whole = response.body if isinstance(response.body, bytes) else response.body.encode()
    _, _, said = response.content_type.partition(";json-header-size=")
    return model, inferred(whole, int(said) if said else None)


@pytest.mark.parametrize("datatype", ALL)
def test_raw_contents_come_back_as_they_went(datatype):
    raw = to_bytes(datatype, array_of(datatype))
    sent = pb.ModelInferRequest(
        id="7",
        inputs=[tensor(datatype)],
        outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name=datatype)],
        raw_input_contents=[raw],
    )
    model, message = asked(sent, datatype)
    assert model.inputs[datatype].shape == (1, 2)
    assert (message.model_name, message.model_version, message.id) == ("m", "1", "7")
    assert message.raw_output_contents == [raw]
    assert [each.shape for each in message.outputs] == [[1, 2]]


@pytest.mark.parametrize("datatype", CONTENTS)
def test_elements_in_the_message_are_the_same_tensor(datatype):
    array = array_of(datatype)
    contents = pb.InferTensorContents(**{CONTENTS[datatype][0]: array.tolist()})
    _, message = asked(pb.ModelInferRequest(inputs=[tensor(datatype, contents=contents)]), datatype)
    assert message.raw_output_contents == [to_bytes(datatype, array)]


def test_parameters_go_to_the_model_but_for_the_protocols_own():
    sent = pb.ModelInferRequest()
    for name, field, value in (
        ("flag", "bool_param", True),
        ("count", "int64_param", -2),
        ("word", "string_param", "ä"),
        ("share", "double_param", 0.25),
        ("large", "uint64_param", 2**63),
        ("priority", "uint64_param", 1),
    ):
        setattr(sent.parameters[name], field, value)
    sent.parameters["nothing"].SetInParent()
    model, message = asked(sent, "FP32")
    assert model.parameters == {
        "flag": True, "count": -2, "word": "ä", "share": 0.25, "large": 2**63, "nothing": None,
    }  # fmt: skip
    assert message.raw_output_contents == [b""]


def test_contents_that_are_off_are_refused():
    ints = pb.InferTensorContents(int_contents=[300, 1])
    pair = [tensor("INT8"), tensor("FP32")]
    for sent, said in (
        ({"inputs": pair, "raw_input_contents": [b""]}, "1 elements for 2 inputs"),
        ({"inputs": pair, "raw_input_contents": [b""] * 3}, "3 elements for 2 inputs"),
        ({"raw_input_contents": [b""]}, "1 elements for 0 inputs"),
        (
            {"inputs": [tensor("INT8", contents=ints)], "raw_input_contents": [b"ab"]},
            "none may have contents besides",
        ),
        ({"inputs": [tensor("INT8", contents=ints)]}, "holds a number that is none of INT8"),
        ({"inputs": [tensor("FP16")]}, "'FP16', which has no contents"),
        ({"inputs": [tensor("x" * 100)]}, "which has no contents"),
    ):
        with pytest.raises(InvalidRequest, match=said):
            body_of(pb.ModelInferRequest(**sent))


def test_what_is_in_shared_memory_is_left_to_the_worker_to_refuse():
    sent = pb.ModelInferRequest(inputs=[tensor("FP32"), tensor("INT8")], raw_input_contents=[b"ab"])
    sent.inputs[0].parameters["shared_memory_region"].string_param = "region"
    with pytest.raises(Exception, match="shared memory, which is not"):
        asked(sent, "FP32", "INT8")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\x2a\x00" * 1025, "There are 1025 inputs; at most 1024 are taken"),
        (b"\x32\x00" * 1025, "There are 1025 outputs; at most 1024 are taken"),
        (
            pb.ModelInferRequest(inputs=[{"name": "a", "shape": [1] * 1025}]).SerializeToString(),
            "There are 1025 sizes in the shape of the input a; at most 1024 are taken",
        ),
        (
            b"".join(b"\x22\x06\x0a\x04%04d" % number for number in range(1025)),
            "There are 1025 parameters; at most 1024 are taken",
        ),
    ],
)
def test_a_request_of_very_many_small_parts_is_refused_before_they_are_read(message, said):
    with pytest.raises(InvalidRequest, match=said):
        body_of(pb.ModelInferRequest.FromString(message))
