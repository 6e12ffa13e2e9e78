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
    from collections.abc import Mapping

BINARY, SIZE, SHARED = "binary_data", "binary_data_size", "shared_memory_region"
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


def body_of(sent: Any) -> tuple[bytes, int]:
    """A ModelInferRequest as a body, and how much of it is JSON. Raises InvalidRequest."""
    raw, used = sent.raw_input_contents, 0
    inputs, data = [], []
    for each in sent.inputs:
        parameters = values_of(each.parameters)
        if SHARED not in parameters:  # else there is nothing, and the worker refuses it
            if not raw:
                data.append(_packed(each))
            elif used < len(raw) and not each.HasField("contents"):
                data.append(raw[used])
                used += 1
            else:
                raise InvalidRequest(
                    f"The input {each.name[:60]} must be in raw_input_contents, and there alone,"
                    " since others are"
                )
            parameters[SIZE] = len(data[-1])
        inputs.append(
            {
                "name": each.name,
                "datatype": each.datatype,
                "shape": list(each.shape),
                "parameters": parameters,
            }
        )
    if used != len(raw):
        raise InvalidRequest(f"raw_input_contents has {len(raw)} elements for {used} inputs")
    head: dict[str, Any] = {
        "inputs": inputs,
        "outputs": [
            {"name": each.name, "parameters": values_of(each.parameters) | {BINARY: True}}
            for each in sent.outputs
        ],
        "parameters": values_of(sent.parameters) | {"binary_data_output": True},
    }
    if sent.id:
        head["id"] = sent.id
    text = json.dumps(head).encode()
    return b"".join([text, *data]), len(text)


def message_of(body: bytes, json_bytes: int | None) -> Any:
    """The ModelInferResponse in an answer; None: all of it is JSON. Raises where it has no form."""
    place = len(body) if json_bytes is None else json_bytes
    said = json.loads(body[:place])
    made = pb.ModelInferResponse(
        model_name=said["model_name"], model_version=said["model_version"], id=said.get("id", "")
    )
    for each in said["outputs"]:
        output = made.outputs.add(name=each["name"], datatype=each["datatype"], shape=each["shape"])
        if "data" in each:
            elements = each["data"]
            if each["datatype"] == "BYTES":
                elements = [one.encode() for one in elements]
            getattr(output.contents, CONTENTS[each["datatype"]][0]).extend(elements)
        else:
            size = each["parameters"][SIZE]
            made.raw_output_contents.append(body[place : place + size])
            place += size
    return made


def values_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What parameters say, by their names; bytes have no place in JSON, and are None."""
    found = {}
    for name, each in parameters.items():
        kind = each.WhichOneof("parameter_choice")
        value = getattr(each, kind) if kind else None
        found[name] = None if isinstance(value, bytes) else value
    return found


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
        return b"".join([part for one in elements for part in (LENGTH.pack(len(one)), one)])
    try:
        packed = array.array(code, elements)
    except OverflowError:
        raise InvalidRequest(
            f"The input {each.name[:60]} holds a number that is none of {each.datatype}"
        ) from None
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
