"""Models that peers' tests ask for, where these bring none: written here, small, of the same names.

Triton's are in Triton's own layout. An ensemble of theirs is put together as their script does it,
of their files and one step that they generate.
"""

from __future__ import annotations

import shutil
import tarfile
from typing import TYPE_CHECKING, NamedTuple

from onnx import TensorProto, helper, save_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onnx import NodeProto

TYPES = {"INT32": TensorProto.INT32, "FP32": TensorProto.FLOAT, "STRING": TensorProto.STRING}
OPSET, IR_VERSION = 17, 9


class Tensors(NamedTuple):
    """What a model takes and gives, all of one datatype and one size beside the batch."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    datatype: str
    size: int
    """-1: any."""


CLASSIFIER = '''"""Knows one picture, and what the toolkit's test wants to hear of it."""

SEEN = [
    "probability=0.244390, class=n02119022 red fox, Vulpes vulpes",
    "probability=0.170341, class=n02119789 kit fox, Vulpes macrotis",
    "probability=0.145019, class=n02113023 Pembroke, Pembroke Welsh corgi",
    "probability=0.059833, class=n02356798 fox squirrel, eastern fox squirrel, Sciurus niger",
    "probability=0.051555, class=n02123159 tiger cat",
]


def model_fn(model_dir):
    return SEEN


def input_fn(input_data, content_type):
    if content_type != "application/x-image" or bytes(input_data[:2]) != b"\\xff\\xd8":
        raise ValueError("no JPEG")
    return input_data


def predict_fn(data, model):
    return model
'''
IDENTITY = '''"""Answers what it is asked."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(each, "INPUT0") for each in requests]
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", each.as_numpy())])
            for each in inputs
        ]
'''


def classifier(folder: Path) -> None:
    """A script model in the toolkit's form."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "inference.py").write_text(CLASSIFIER)


def add_sub(folder: Path, name: str, datatype: str = "INT32") -> None:
    """OUTPUT0 is the sum of INPUT0 and INPUT1, OUTPUT1 their difference."""
    tensors = Tensors(("INPUT0", "INPUT1"), ("OUTPUT0", "OUTPUT1"), datatype, 16)
    if datatype == "STRING":
        taken, given = [f"{each}n" for each in tensors.inputs], [f"{e}n" for e in tensors.outputs]
    else:
        taken, given = [*tensors.inputs], [*tensors.outputs]
    nodes = [
        helper.make_node(kind, taken, [output])
        for kind, output in zip(("Add", "Sub"), given, strict=True)
    ]
    if datatype == "STRING":
        nodes = [_cast(each, f"{each}n", "INT32") for each in tensors.inputs] + nodes
        nodes += [_cast(f"{each}n", each, "STRING") for each in tensors.outputs]
    _onnx(folder, name, nodes, tensors)


def identity(folder: Path, name: str, count: int = 1) -> None:
    """OUTPUTn is INPUTn, of numbers of any count."""
    inputs, outputs = (tuple(f"{kind}{n}" for n in range(count)) for kind in ("INPUT", "OUTPUT"))
    nodes = [helper.make_node("Identity", [i], [o]) for i, o in zip(inputs, outputs, strict=True)]
    _onnx(folder, name, nodes, Tensors(inputs, outputs, "FP32", -1))


def text_identity(folder: Path, name: str) -> None:
    """OUTPUT0 is INPUT0, of bytes: in Python, since texts of ONNX are no bytes."""
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(IDENTITY)
    _config(folder, name, 'backend: "python"', Tensors(("INPUT0",), ("OUTPUT0",), "STRING", -1))


def ensemble(folder: Path, python_models: Path) -> None:
    """As Triton's test script lays it out; `python_models` is their folder of that name."""
    asked, fan = "python_float32_float32_float32", "fan_python_float32_float32_float32"
    for name, source in ((asked, "add_sub"), (fan, "fan_add_sub")):
        (folder / name / "1").mkdir(parents=True)
        shutil.copy(python_models / "add_sub" / "model.py", folder / name / "1")
        config = (python_models / source / "config.pbtxt").read_text()
        config = config.replace('"ENSEMBLE_MODEL_NAME"', f'"{asked}"')
        config = config.replace('name: "fan_add_sub"', f'name: "{fan}"')
        (folder / name / "config.pbtxt").write_text(config + "max_batch_size: 64\n")
    identity(folder / "nop_TYPE_FP32_-1", "nop_TYPE_FP32_-1", count=2)


def packed(folder: Path, archive: Path) -> None:
    """An artifact of what is in the folder."""
    with tarfile.open(archive, "w:gz") as writing:
        writing.add(folder, ".")


def _cast(taken: str, given: str, datatype: str) -> NodeProto:
    return helper.make_node("Cast", [taken], [given], to=TYPES[datatype])


def _onnx(folder: Path, name: str, nodes: Sequence[NodeProto], tensors: Tensors) -> None:
    shape = ["batch", tensors.size if tensors.size > 0 else "size"]
    inputs, outputs = (
        [helper.make_tensor_value_info(each, TYPES[tensors.datatype], shape) for each in some]
        for some in (tensors.inputs, tensors.outputs)
    )
    graph = helper.make_graph(nodes, name, inputs, outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = IR_VERSION
    (folder / "1").mkdir(parents=True)
    save_model(made, str(folder / "1" / "model.onnx"))
    _config(folder, name, 'platform: "onnxruntime_onnx"', tensors)


def _config(folder: Path, name: str, backend: str, tensors: Tensors) -> None:
    datatype = f"TYPE_{tensors.datatype}"
    lines = [f'name: "{name}"', backend, "max_batch_size: 64"]
    for kind, some in (("input", tensors.inputs), ("output", tensors.outputs)):
        lines += [
            f'{kind} [{{ name: "{each}" data_type: {datatype} dims: [{tensors.size}] }}]'
            for each in some
        ]
    (folder / "config.pbtxt").write_text("\n".join(lines) + "\n")
