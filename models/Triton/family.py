"""The family Triton: loading. See the package for what is where."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import CorpusError
from models.serving import Request
from models.Triton.config import ONNX
from models.Triton.model import TritonCode, TritonModel
from models.Triton.onnx_model import OnnxModel
from models.Triton.plan import read_plan

if TYPE_CHECKING:
    from models.serving import Lessons, LoadedModel, Material, Progress
    from models.Triton.model import Backend
    from models.Triton.plan import Key

CONFIG = """
backend: "python"
input [{ name: "IN" data_type: TYPE_FP32 dims: [ -1 ] }]
output [{ name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }]
"""
MINIATURE = '''"""Doubles."""
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        arrays = [pb_utils.get_input_tensor_by_name(each, "IN").as_numpy() for each in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", 2 * each)]) for each in arrays]
'''
REQUEST = b'{"inputs": [{"name": "IN", "datatype": "FP32", "shape": [2], "data": [1, 2.5]}]}'

log = logging.getLogger(__name__)


class Triton:
    """Models laid out for Triton, alone or as the steps of an ensemble."""

    name = "Triton"

    def load(self, model_dir: Path, scratch: Path | None = None) -> LoadedModel:
        """Read the configurations, map weights; code does not run yet. Raises ArtifactError."""
        plan = read_plan(Path(model_dir), scratch)
        for warning in plan.warnings():
            log.info("%s", warning)
        backends: dict[Key, Backend] = {}
        for name, version in plan.keys.values():
            model = plan.repository.models[name]
            if model.config.backend == ONNX and (name, version) not in backends:
                backends[name, version] = OnnxModel(model.file(version), scratch, model.config)
        return TritonCode(plan, backends) if plan.is_code else TritonModel(plan, backends)

    def rehearse(self, model_dir: Path, scratch: Path) -> Request:
        """A Python model that doubles numbers."""
        del scratch
        (model_dir / "1").mkdir()
        (model_dir / "config.pbtxt").write_text(CONFIG, "utf-8")
        (model_dir / "1" / "model.py").write_text(MINIATURE, "utf-8")
        return Request("application/json", None, REQUEST)

    def train(self, material: Material, output_dir: Path, progress: Progress) -> Lessons:
        """Raise CorpusError: there is nothing to learn."""
        del output_dir, progress
        raise CorpusError(material.corpus, "models for Triton are made elsewhere")


FAMILY = Triton()
