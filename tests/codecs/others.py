"""Codecs of other servers, asked line by line: a program for the environment that has them.

Each line of standard input is `{"codec": ..., "do": ..., ...}` in JSON, each line of the output its
answer, `{"error": ...}` if that codec refuses. A tensor is `{"name", "datatype", "shape"}` with
"bytes", its elements in hexadecimal digits, little-endian; of BYTES a list, one item an element.

The codecs are imported alone. What their modules import only for the servers around them (settings,
logs, web framework, data frames) is stood in for by empty modules; nothing asked here uses it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

STOOD_IN = (
    "fastapi", "fastapi.responses", "pandas", "yaml", "mlserver.logging", "mlserver.settings",
    "kserve.logging",
)  # fmt: skip
PACKAGES = ("mlserver", "mlserver.codecs", "kserve", "kserve.protocol", "kserve.utils")
"""Whose own `__init__` would import the servers."""
NUMPY = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "<i1",
    "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


class Empty(type):
    """A class of which any name is another."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Empty(name, (), {})


class Nothing(types.ModuleType):
    """A module of which any name is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Empty(name, (), {})


def stand_in() -> None:
    for name in STOOD_IN:
        sys.modules[name] = Nothing(name)
    for name in PACKAGES:
        package = types.ModuleType(name)
        top = importlib.util.find_spec(name.partition(".")[0]) if "." not in name else None
        if top is not None and top.submodule_search_locations:
            package.__path__ = list(top.submodule_search_locations)
        else:
            parent, _, last = name.rpartition(".")
            package.__path__ = [str(Path(sys.modules[parent].__path__[0]) / last)]
        sys.modules[name] = package


stand_in()

from kserve.protocol.infer_type import (  # noqa: E402
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    RequestedOutput,
)
from mlserver import raw  # noqa: E402
from mlserver.codecs.numpy import NumpyCodec  # noqa: E402
from mlserver.codecs.string import StringCodec  # noqa: E402
from mlserver.types import (  # noqa: E402
    InferenceRequest,
    InferenceResponse,
    RequestInput,
    ResponseOutput,
)


def array_of(tensor: dict[str, Any]) -> np.ndarray:
    """The array that a line has."""
    if tensor["datatype"] == "BYTES":
        array = np.empty(len(tensor["bytes"]), object)
        array[:] = [bytes.fromhex(each) for each in tensor["bytes"]]
    else:
        array = np.frombuffer(bytes.fromhex(tensor["bytes"]), NUMPY[tensor["datatype"]])
    return array.reshape(tensor["shape"])


def told(name: str, datatype: str, shape: Any, array: np.ndarray) -> dict[str, Any]:
    """An array as a line has it."""
    if datatype == "BYTES":
        elements = [each.encode() if isinstance(each, str) else bytes(each) for each in array.flat]
        content: Any = [each.hex() for each in elements]
    else:
        content = np.ascontiguousarray(array, NUMPY[datatype]).tobytes().hex()
    return {"name": name, "datatype": datatype, "shape": list(shape), "bytes": content}


def made(tensor: dict[str, Any], kind: Any) -> Any:
    """A tensor as an object of KServe's, its data where they are wanted."""
    one = kind(tensor["name"], list(tensor["shape"]), tensor["datatype"])
    one.set_data_from_numpy(array_of(tensor), binary_data=tensor["binary"])
    return one


def body_of(message: Any) -> dict[str, Any]:
    body, json_bytes = message.to_rest()
    if json_bytes is None:
        body = json.dumps(body).encode()
    return {"body": body.hex(), "json_bytes": json_bytes}


def kserve_write_request(asked: dict[str, Any]) -> dict[str, Any]:
    wanted = [RequestedOutput(each["name"], each["parameters"]) for each in asked["outputs"]]
    inputs = [made(each, InferInput) for each in asked["tensors"]]
    return body_of(
        InferRequest(
            "m", inputs, request_id="7", parameters=asked["parameters"], request_outputs=wanted
        )
    )


def kserve_read_request(asked: dict[str, Any]) -> dict[str, Any]:
    body = bytes.fromhex(asked["body"])
    read = InferRequest.from_bytes(body, asked["json_bytes"] or len(body), "m")
    return {
        "tensors": [told(i.name, i.datatype, i.shape, i.as_numpy()) for i in read.inputs],
        "outputs": [[each.name, each.binary_data] for each in read.request_outputs or ()],
        "all_binary": read.use_binary_outputs,
    }


def kserve_write_response(asked: dict[str, Any]) -> dict[str, Any]:
    """All outputs are binary, or none."""
    outputs = [
        InferOutput(
            each["name"], list(each["shape"]), each["datatype"], array_of(each), parameters={}
        )
        for each in asked["tensors"]
    ]
    return body_of(InferResponse("7", "m", outputs, use_binary_outputs=asked["binary"]))


def kserve_read_response(asked: dict[str, Any]) -> dict[str, Any]:
    body = bytes.fromhex(asked["body"])
    read = InferResponse.from_bytes(body, asked["json_bytes"] or len(body))
    return {"tensors": [told(o.name, o.datatype, o.shape, o.as_numpy()) for o in read.outputs]}


def mlserver_pack(asked: dict[str, Any]) -> dict[str, Any]:
    (tensor,) = asked["tensors"]
    head = {key: tensor[key] for key in ("name", "shape", "datatype")}
    return {"body": raw.pack(RequestInput(**head, data=array_of(tensor).ravel().tolist())).hex()}


def mlserver_unpack(asked: dict[str, Any]) -> dict[str, Any]:
    head = {key: asked[key] for key in ("name", "shape", "datatype")}
    found = raw.unpack(RequestInput(**head, data=[]), bytes.fromhex(asked["body"]))
    if asked["datatype"] == "BYTES":
        return {"tensors": [head | {"bytes": [each.hex() for each in found]}]}
    array = np.array(found, NUMPY[asked["datatype"]])
    return {"tensors": [told(asked["name"], asked["datatype"], asked["shape"], array)]}


def mlserver_read_request(asked: dict[str, Any]) -> dict[str, Any]:
    """All of it is JSON."""
    read = InferenceRequest.model_validate_json(bytes.fromhex(asked["body"]))
    return {"tensors": [_decoded(each) for each in read.inputs]}


def mlserver_read_response(asked: dict[str, Any]) -> dict[str, Any]:
    read = InferenceResponse.model_validate_json(bytes.fromhex(asked["body"]))
    return {"tensors": [_decoded(each) for each in read.outputs]}


def mlserver_write_request(asked: dict[str, Any]) -> dict[str, Any]:
    inputs = [_encoded(each, RequestInput) for each in asked["tensors"]]
    text = InferenceRequest(id="7", inputs=inputs).model_dump_json()
    return {"body": text.encode().hex(), "json_bytes": None}


def _encoded(tensor: dict[str, Any], kind: Any) -> Any:
    array = array_of(tensor)
    if tensor["datatype"] != "BYTES":
        return NumpyCodec.encode_input(tensor["name"], array)
    texts = [each.decode() for each in array.flat]
    made_of = StringCodec.encode_input(tensor["name"], texts, use_bytes=False)
    return kind(name=made_of.name, datatype="BYTES", shape=list(array.shape), data=made_of.data)


def _decoded(tensor: RequestInput | ResponseOutput) -> dict[str, Any]:
    if tensor.datatype == "BYTES":
        elements = [text.encode().hex() for text in StringCodec.decode_input(tensor)]
        return {
            "name": tensor.name, "datatype": "BYTES", "shape": tensor.shape, "bytes": elements,
        }  # fmt: skip
    array = NumpyCodec.decode_input(tensor)
    return told(tensor.name, tensor.datatype, tensor.shape, array)


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = globals()[f"{asked['codec']}_{asked['do']}"](asked)
        except Exception as error:  # noqa: BLE001 - whatever it is that the codec has against it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
