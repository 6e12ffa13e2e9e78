"""Artifacts laid out for Triton: folders written by tests, and small ONNX files for them."""

from __future__ import annotations

import contextlib
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models import own_modules
from models.registry import load_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SCALING_CONFIG = """
name: "scale"
platform: "onnxruntime_onnx"
max_batch_size: 4
input [{ name: "X" data_type: TYPE_FP32 dims: [ 2 ] }]
output [{ name: "Y" data_type: TYPE_FP32 dims: [ 2 ] }]
"""
UTILS = "import triton_python_backend_utils as pb_utils\n"


def scaling(factor: float = 2.0, sizes: tuple[Any, ...] = ("batch", 2)) -> bytes:
    """An ONNX file that multiplies X to Y."""
    factors = np.array([factor] * 2, np.float32)
    return onnx_file({"X": sizes}, {"Y": sizes}, [("Mul", ["X", "by"], ["Y"])], {"by": factors})


def onnx_file(
    inputs: Mapping[str, tuple[Any, ...]],
    outputs: Mapping[str, tuple[Any, ...]],
    nodes: list[tuple[Any, ...]],
    constants: Mapping[str, NDArray[Any]],
    integers: tuple[str, ...] = (),
) -> bytes:
    """A file of operations: kind, inputs, outputs, attributes. What is no integer is FP32."""

    def infos(tensors: Mapping[str, tuple[Any, ...]]) -> list[Any]:
        kinds = {True: TensorProto.INT64, False: TensorProto.FLOAT}
        return [
            helper.make_tensor_value_info(name, kinds[name in integers], sizes)
            for name, sizes in tensors.items()
        ]

    made = [
        helper.make_node(kind, taken, given, **(more[0] if more else {}))
        for kind, taken, given, *more in nodes
    ]
    initial = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(made, "g", infos(inputs), infos(outputs), initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def laid_out(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files by their paths; a path that ends in a slash is an empty folder."""
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def packed(folder: Path, archive: Path) -> Path:
    """The archive of an artifact."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as made:
        for path in sorted(folder.iterdir()):
            made.add(path, arcname=path.name)
    return archive


def started(folder: Path, scratch: Path | None = None) -> Any:
    """Its model, its code running in this process."""
    own_modules.forget()
    model: Any = load_model(folder, scratch)
    return model.start() if model.needs().is_code else model


@contextlib.contextmanager
def own_imports() -> Iterator[None]:
    """Leave this process's imports afterwards as they were."""
    writes_none = sys.dont_write_bytecode
    try:
        yield
    finally:
        own_modules.forget()
        sys.dont_write_bytecode = writes_none


def python_model(body: str) -> str:
    """A `model.py` whose `execute` makes one response of each request; `body` is that function's.

    It has `request` and returns a list of tensors, or a response.
    """
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return f"""{UTILS}
import numpy as np


def array(request, name):
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


class TritonPythonModel:
    def initialize(self, args):
        self.args = args

    def answer(self, request):
{lines}

    def execute(self, requests):
        made = [self.answer(request) for request in requests]
        return [
            each if isinstance(each, pb_utils.InferenceResponse)
            else pb_utils.InferenceResponse(output_tensors=each)
            for each in made
        ]
"""


def tensor_line(key: str, name: str, kind: str, dims: str, more: str = "") -> str:
    """One input or output of a configuration."""
    return f'{key} [{{ name: "{name}" data_type: TYPE_{kind} dims: [ {dims} ] {more} }}]\n'
