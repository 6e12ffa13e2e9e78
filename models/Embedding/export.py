"""Artifacts made of local model folders: full, or with weights of eight bits.

An ONNX file in the folder is taken as it is; without one the graph is written here, for the kinds
of encoders that `bert` knows. What an artifact of eight bits is worth beside the full one is for
`comparison`.
"""

from __future__ import annotations

import importlib
import json
import logging
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.Embedding.bert import BertWriter, CannotWrite, Shape
from models.Embedding.folder import SAFETENSORS, ModelFolder, NotExportable
from models.Embedding.params import MODEL_FILE, ONNX, PARAMS_FILE, TOKENIZER_FILE, parse_params
from models.Embedding.safetensors import Tensors
from models.Embedding.torch_file import TorchTensors
from models.errors import ArtifactError
from models.onnx import running
from models.params import Params

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = (1 << 31) - (1 << 20)
"""An ONNX file is one message of protocol buffers."""
PREFIXES = ("", "bert.", "roberta.", "model.", "0.auto_model.")
"""What names of weights may begin with."""
FIRST_WEIGHT = "embeddings.word_embeddings.weight"
OTHERWISE = (
    "have an ONNX file made where torch is: pip install 'optimum[onnx]', then optimum-cli export"
    " onnx --task feature-extraction --model FOLDER FOLDER/onnx"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of a folder."""

    folder: Path
    onnx: str | None = None
    """The ONNX file in it; None: the one that is there, if there is one."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Parameters beside, or instead of, what the folder says."""


def export(wanted: Wanted, output_dir: Path) -> dict[str, Any]:
    """Write an artifact's files; returns its parameters. Raises NotExportable."""
    folder = ModelFolder(wanted.folder)
    params = {"engine": ONNX, **folder.params(), **wanted.params}
    try:
        parse_params(Params(PARAMS_FILE, params))
    except ArtifactError as error:
        raise NotExportable(str(error)) from error
    output_dir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder.tokenizer(), output_dir / TOKENIZER_FILE)
    source = folder.onnx(wanted.onnx)
    if source is None:
        (output_dir / MODEL_FILE).write_bytes(_written(folder))
    else:
        _take_whole(source, output_dir / MODEL_FILE)
    text = json.dumps(params, ensure_ascii=False, indent=2)
    (output_dir / PARAMS_FILE).write_text(f"{text}\n", encoding="utf-8")
    return params


def quantize(full: Path, output_dir: Path) -> None:
    """Write the artifact in `full` once more, its weights in eight bits. Raises NotExportable.

    Numbers that a model computes with are put into eight bits as they come, by their range.
    """
    quantization = _needed("onnxruntime.quantization")
    output_dir.mkdir(parents=True, exist_ok=True)
    for name in (PARAMS_FILE, TOKENIZER_FILE):
        shutil.copyfile(full / name, output_dir / name)
    logging.getLogger("root").addFilter(_Quiet())  # it recommends a step that changes nothing here
    try:
        quantization.quantize_dynamic(
            str(full / MODEL_FILE),
            str(output_dir / MODEL_FILE),
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            # Processors without instructions for it would overflow at eight bits of both.
            reduce_range=True,
        )
    except Exception as error:
        raise NotExportable(f"{MODEL_FILE} cannot be quantized: {error}") from error


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return "pre-processing before quantization" not in record.getMessage()


class _Weights:
    """An encoder's weights, whatever their names begin with."""

    def __init__(self, tensors: Tensors | TorchTensors) -> None:
        self._tensors = tensors
        self._names = set(tensors.names())
        known = (each for each in PREFIXES if f"{each}{FIRST_WEIGHT}" in self._names)
        self._prefix = next(known, "")

    def get(self, name: str) -> NDArray[np.float32]:
        """One of them. Raises CannotWrite, ValueError."""
        whole = self._prefix + name
        if whole not in self._names:
            raise CannotWrite(f"its weights have no {whole}")
        return self._tensors.get(whole)


def _written(folder: ModelFolder) -> bytes:
    """The graph of a folder that has only weights."""
    path = folder.weights()
    try:
        tensors = Tensors(path) if path.name == SAFETENSORS else TorchTensors(path)
        weights = _Weights(tensors)
        data = BertWriter(Shape.of(folder.config), weights.get).write()
    except CannotWrite as error:
        raise NotExportable(f"its graph cannot be written here: {error}; {OTHERWISE}") from error
    except (OSError, ValueError) as error:
        raise NotExportable(f"{path}: cannot be read: {error}") from error
    if len(data) > MOST_BYTES:
        raise NotExportable(f"the model has {len(data)} bytes; at most {MOST_BYTES} are taken")
    return data


def _take_whole(source: Path, target: Path) -> None:
    """Copy an ONNX file; one with its weights in files beside it becomes one file."""
    beside = [*source.parent.glob(f"{source.name}_data*"), *source.parent.glob("*.onnx.data")]
    if not beside:
        shutil.copyfile(source, target)
        return
    onnx = _needed("onnx")
    try:
        onnx.save(onnx.load(str(source)), str(target), save_as_external_data=False)
    except Exception as error:
        raise NotExportable(f"{source}: cannot be made one file: {error}") from error


def _needed(module: str) -> Any:
    """A module of the extra. Raises NotExportable, which says what to install."""
    try:
        running.library("onnxruntime")
        return importlib.import_module(module)
    except (ImportError, ArtifactError) as error:
        raise NotExportable(
            f"{module} is not installed here: pip install '{running.EXTRA}'"
        ) from error
