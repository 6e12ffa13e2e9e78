"""Tensors of gRPC's messages as a body of the protocol's binary form, and back.

Nothing is checked here that the worker checks: names, shapes and sizes are its business. Bytes are
little-endian in both.
"""

from __future__ import annotations

import array
import json
import struct
import sys
from typing import TYPE_CHECKING, Any

from tritonclient.grpc import service_pb2 as pb

from mme.core.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sized

BINARY, ALL_BINARY, SIZE = "binary_data", "binary_data_output", "binary_data_size"
SHARED = "shared_memory_region"
CONTENTS: Mapping[str, tuple[str, str]] = {
    "BOOL": ("bool_contents", "B"),
    "INT8": ("int_contents", "b"),
    "INT16": ("int_contents", "h"),
    "INT32": ("int_contents", "i"),
    "INT64": ("int64_contents", "q"),
    "UINT8": ("uint_contents", "B"),
    "UINT16": ("uint_contents", "H"),
    "UINT32": ("uint_contents", "I"),
    "UINT64": ("uint64_contents", "Q"),
    "FP32": ("fp32_contents", "f"),
    "FP64": ("fp64_contents", "d"),
    "BYTES": ("bytes_contents", ""),
}
"""Datatype -> where its elements are, and what `array` calls them. Others are sent as bytes."""
LENGTH = struct.Struct("<I")
MOST_NAMED = 1024
"""So many inputs, outputs or parameters a request has at most, and sizes in a shape.

Each is some bytes of a message and hundreds here, and all are read where every other call waits.
"""


def body_of(sent: Any) -> tuple[bytes, int]:
    """A ModelInferRequest as a body, and how much of it is JSON. Raises InvalidRequest."""
    for what, each in (("inputs", sent.inputs), ("outputs", sent.outputs)):
        _check_count(what, each)
    for each in sent.inputs:
        _check_count(f"sizes in the shape of the input {each.name[:60]}", each.shape)
    # What is in shared memory is not here; the worker refuses it by that name.
    here = [each for each in sent.inputs if SHARED not in each.parameters]
    raw = sent.raw_input_contents
    if raw and (len(raw) != len(here) or any(each.HasField("contents") for each in here)):
        raise InvalidRequest(
            f"raw_input_contents has {len(raw)} elements for {len(here)} inputs: it must have one"
            " for each, and none may have contents besides"
        )
    data = raw or [_packed(each) for each in here]
    sizes = iter(data)
    inputs = [
        _told(each) | {"datatype": each.datatype, "shape": list(each.shape)} for each in sent.inputs
    ]
    for each in inputs:
        if SHARED not in each["parameters"]:
            each["parameters"][SIZE] = len(next(sizes))
    outputs = [_told(each) for each in sent.outputs]
    for each in outputs:
        each["parameters"][BINARY] = True
    parameters = values_of(sent.parameters) | {ALL_BINARY: True}
    head = {"inputs": inputs, "outputs": outputs, "parameters": parameters}
    text = json.dumps(head | ({"id": sent.id} if sent.id else {})).encode()
    return b"".join([text, *data]), len(text)


def inferred(body: bytes, json_bytes: int | None) -> Any:
    """The ModelInferResponse in an answer; None: all of it is JSON. Raises where it has no form."""
    place = len(body) if json_bytes is None else json_bytes
    said = json.loads(body[:place])
    made = pb.ModelInferResponse(
        model_name=said["model_name"], model_version=said["model_version"], id=said.get("id", "")
    )
    for each in said["outputs"]:
        made.outputs.add(name=each["name"], datatype=each["datatype"], shape=each["shape"])
        end = place + each["parameters"][SIZE]
        made.raw_output_contents.append(body[place:end])
        place = end
    return made


def values_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What parameters say, by their names; bytes have no place in JSON, and are None.

    Raises InvalidRequest.
    """
    _check_count("parameters", parameters)
    kinds = {name: each.WhichOneof("parameter_choice") for name, each in parameters.items()}
    return {
        name: None if kind in (None, "bytes_param") else getattr(parameters[name], kind)
        for name, kind in kinds.items()
    }


def _check_count(what: str, found: Sized) -> None:
    if len(found) > MOST_NAMED:
        raise InvalidRequest(f"There are {len(found)} {what}; at most {MOST_NAMED} are taken")


def _told(each: Any) -> dict[str, Any]:
    return {"name": each.name, "parameters": values_of(each.parameters)}


def _packed(each: Any) -> bytes:
    """The bytes of a tensor whose elements are in its message. Raises InvalidRequest."""
    try:
        field, code = CONTENTS[each.datatype]
    except KeyError:
        raise InvalidRequest(
            f"The input {each.name[:60]} is {each.datatype[:60]!r}, which has no contents: send"
            " raw_input_contents"
        ) from None
    elements = getattr(each.contents, field)
    if not code:
        texts = bytearray()
        for one in elements:
            texts += LENGTH.pack(len(one))
            texts += one
        return bytes(texts)
    try:
        packed = array.array(code, elements)
    except OverflowError:
        raise InvalidRequest(
            f"The input {each.name[:60]} holds a number that is none of {each.datatype}"
        ) from None
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
