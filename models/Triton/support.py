"""What a configuration asks for beyond tensors and steps: refused, or passed over with a warning.

Refused is what changes answers or runs something that is not here; what only bears on speed or on
counting is passed over, and each such field is named. What is in neither table needs no word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.errors import shorten
from models.Triton.config import ENSEMBLE, ONNX, PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from models.Triton.config import Config

REFUSED = {
    "runtime": "a backend's own library is never loaded",
    "sequence_batching": "requests of a sequence are not kept together",
    "batch_input": "requests are not put together here, so there is nothing to tell of a batch",
    "batch_output": "requests are not put together here, so there is nothing to tell of a batch",
    "model_repository_agents": "agents would run code before the model is read",
}
"""Field -> why it cannot be done here."""
PASSED_OVER = {
    "dynamic_batching": "requests are computed one by one, so nothing waits for a batch",
    "optimization": "onnxruntime computes on the CPU, with all of its own optimisations",
    "cc_model_filenames": "they are for GPUs",
    "metric_tags": "models are told apart by their target",
    "model_metrics": "models are told apart by their target",
    "model_warmup": "nothing is asked before the first request",
    "response_cache": "every request is computed",
}
"""Field -> what is done instead."""
ENVIRONMENT = "EXECUTION_ENV_PATH"
HARMLESS = ("FORCE_CPU_ONLY_INPUT_TENSORS",)
"""Parameters for the backend, not for a Python model, that say what is so here."""
GPU = "KIND_GPU"


def check_support(config: Config) -> list[str]:
    """What is passed over, in words. Raises ArtifactError for what cannot be met."""
    said = config.said
    for field, why in REFUSED.items():
        if said.get(field):
            config.refuse(f"{field} is not supported: {why}")
    if "sequence_batching" in said:  # an empty message asks for it as well
        config.refuse(f"sequence_batching is not supported: {REFUSED['sequence_batching']}")
    if said.get("model_transaction_policy", {}).get("decoupled"):
        config.refuse("decoupled is not supported: a request has one response here")
    if said.get("model_operations"):
        config.refuse("model_operations is not supported: libraries of an artifact are not loaded")
    _check_parameters(config)
    for key in ("input", "output"):
        for each in said.get(key, []):
            for field in ("is_shape_tensor", "is_non_linear_format_io"):
                if each.get(field):
                    config.refuse(f"{key} {each['name']}: {field} is for TensorRT")
    return [f"{config.file}: {each}" for each in _warnings(config, said)]


def _check_parameters(config: Config) -> None:
    if ENVIRONMENT in config.said.get("parameters", {}):
        config.refuse(
            f"the parameter {ENVIRONMENT} is not supported: the environment of an artifact is not"
            " unpacked; build an image that has what the model imports"
        )


def _warnings(config: Config, said: Mapping[str, Any]) -> Iterator[str]:
    for field, instead in PASSED_OVER.items():
        if field in said:
            yield f"{field} is passed over: {instead}"
    if config.backend == ENSEMBLE and "instance_group" in said:
        config.refuse("instance_group: an ensemble has none")
    if any(each.get("kind") == GPU for each in said.get("instance_group", [])):
        yield f"instance_group {GPU} is passed over: the model computes on the CPU"
    if any(each.get("count", 1) > 1 for each in said.get("instance_group", [])):
        yield "instance_group count is passed over: there is one instance in each worker"
    if any(each.get("label_filename") for each in said.get("output", [])):
        yield "label_filename is passed over: the classification extension is not offered"
    if config.backend != PYTHON:
        names = [name for name in said.get("parameters", {}) if name not in HARMLESS]
        if names:
            which = "onnxruntime has options of ours" if config.backend == ONNX else "nothing asks"
            yield f"parameters {shorten(', '.join(names))} are passed over: {which}"
    if said.get("ensemble_scheduling", {}).get("max_inflight_requests"):
        yield "max_inflight_requests is passed over: a worker has one request at a time"
