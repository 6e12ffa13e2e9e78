"""What an artifact has been found to be: which versions of which models are asked, in which graph.

Made from its files, before anything of it runs; it is also what the model tells of itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from models.tensors import Signature, TensorSpec
from models.Triton.config import ENSEMBLE, ONNX, PYTHON
from models.Triton.graph import read_graph
from models.Triton.python_model import check_source
from models.Triton.repository import read_repository

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from models.Triton.config import Config, Tensor
    from models.Triton.graph import Graph
    from models.Triton.repository import Model, Repository

PLATFORMS = {ONNX: "onnxruntime_onnx"}

Key: TypeAlias = "tuple[str, int]"
"""A model's folder, and a version of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to load."""

    root: str
    repository: Repository
    graph: Graph | None
    """None: one model, no ensemble."""
    keys: Mapping[str | None, Key]
    """Step -> whom it asks; None -> the one model there is."""

    @property
    def asked(self) -> Model:
        """The model that requests are for."""
        return self.repository.asked

    @property
    def python(self) -> list[Key]:
        """Those that are code, each once."""
        models = self.repository.models
        return [
            key
            for key in dict.fromkeys(self.keys.values())
            if models[key[0]].config.backend == PYTHON
        ]

    @property
    def is_code(self) -> bool:
        """Whether any is."""
        return bool(self.python)

    def warnings(self) -> list[str]:
        """What is passed over."""
        found = [each for model in self.repository.models.values() for each in model.warnings]
        return found + ([] if self.graph is None else [*self.graph.warnings])

    def describe(self) -> dict[str, object]:
        """Models and steps in their order, tensors, and what is passed over; JSON-able."""
        models = {
            name: {
                "backend": model.config.backend,
                "versions": sorted(version for each, version in self.keys.values() if each == name),
                "max_batch_size": model.config.max_batch_size,
            }
            for name, model in self.repository.models.items()
            if model.config.backend != ENSEMBLE
        }
        steps = [] if self.graph is None else [each.name for each in self.graph.order]
        warnings = self.warnings()
        return {
            "family": "Triton",
            "models": models,
            **({"steps": steps} if steps else {}),
            "max_batch_size": self.asked.config.max_batch_size,
            "tensors": signature_of(self.asked.config).as_json(),
            **({"warnings": warnings} if warnings else {}),
        }


def read_plan(root: Path, scratch: Path | None) -> Plan:
    """Read and check all of an artifact but its models' own data. Raises ArtifactError."""
    repository = read_repository(root, scratch)
    asked = repository.asked
    graph = read_graph(repository) if asked.config.backend == ENSEMBLE else None
    keys: dict[str | None, Key] = {}
    if graph is None:
        keys[None] = (asked.folder.name, asked.versions[-1])
    else:
        for step in graph.order:
            version = repository.models[step.model].version(step.version)
            keys[step.name] = (step.model, version)
    plan = Plan(str(root), repository, graph, keys)
    for name, version in plan.python:
        path = repository.models[name].file(version)
        check_source(path, str(path.relative_to(root)))
    return plan


def signature_of(config: Config) -> Signature:
    """What a model takes and gives."""

    def specs(tensors: Sequence[Tensor]) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(
                each.name, each.datatype, each.shape(config.max_batch_size), each.is_optional
            )
            for each in tensors
        )

    platform = PLATFORMS.get(config.backend, config.backend)
    return Signature(specs(config.inputs), specs(config.outputs), platform)
