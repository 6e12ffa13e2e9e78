"""What the protocol tells of the server, of models and of what they have done, in JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mme.core.errors import InvalidRequest
from mme.core.statistics import TargetStatistics
from mme.core.version import VERSION as SERVER_VERSION
from mme.gateway.open_inference.names import VERSION
from mme.residency.views import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.residency.views import ModelView

EXTENSIONS = (
    "binary_tensor_data",
    "generate",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
)
STATES = {
    State.READY: "READY",
    State.LOADING: "LOADING",
    State.DOWNLOADING: "LOADING",
}
"""Others are UNAVAILABLE, though the next request brings the model in."""
NOT_APART = ("compute_input", "compute_output", "cache_hit", "cache_miss")
"""Durations that are not counted here, or that nothing takes."""
NANOSECONDS = 1e9
ROUNDING = 1e-6
"""What the shares of a batch may differ from one, added up."""


def server_json() -> dict[str, object]:
    """The server."""
    return {"name": "mme", "version": SERVER_VERSION, "extensions": list(EXTENSIONS)}


def tensors_of(target: str, said: Any) -> dict[str, Any]:
    """What a model has said of its tensors, if it is that. Raises InvalidRequest: it is not."""
    if not (isinstance(said, dict) and {"platform", "inputs", "outputs"} <= said.keys()):
        raise InvalidRequest(
            f"Model {target!r} says nothing of tensors: it answers InvokeEndpoint, in a form of"
            " its own"
        )
    return said


def metadata_json(target: str, tensors: Mapping[str, Any]) -> dict[str, object]:
    """One model's metadata."""
    return {
        "name": target,
        "versions": [VERSION],
        "platform": tensors["platform"],
        "inputs": tensors["inputs"],
        "outputs": tensors["outputs"],
    }


def config_json(target: str, tensors: Mapping[str, Any]) -> dict[str, object]:
    """The same as Triton's ModelConfig: shapes are whole, for there is no batch dimension apart."""
    return {
        "name": target,
        "platform": tensors["platform"],
        "backend": "mme",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 0,
        "input": [_config_of(each) for each in tensors["inputs"]],
        "output": [_config_of(each) for each in tensors["outputs"]],
    }


def index_json(view: ModelView) -> dict[str, object]:
    """One line of the index of the repository."""
    content: dict[str, object] = {
        "name": view.target,
        "version": VERSION,
        "state": STATES.get(view.state, "UNAVAILABLE"),
        "reason": "",
    }
    if view.state is not State.READY:
        content["reason"] = view.error or view.state.value
    return content


def statistics_json(target: str, counted: TargetStatistics | None) -> dict[str, object]:
    """What one model has done; None: nothing yet."""
    counted = counted or TargetStatistics(target)
    answered = counted.requests - counted.errors
    durations = {
        "success": _duration(answered, counted.seconds),
        "fail": _duration(counted.errors),
        "queue": _duration(answered, counted.queue_s),
        "compute_infer": _duration(answered, counted.model_s),
    }
    return {
        "name": target,
        "version": VERSION,
        "last_inference": int(counted.last_at * 1000),
        "inference_count": answered,
        "execution_count": math.ceil(counted.executions - ROUNDING),
        "inference_stats": durations | {name: _duration(0) for name in NOT_APART},
        "batch_stats": [],
        "memory_usage": [],
        "response_stats": {},
    }


def _duration(count: int, seconds: float = 0.0) -> dict[str, int]:
    return {"count": count, "ns": int(seconds * NANOSECONDS)}


def _config_of(tensor: Mapping[str, Any]) -> dict[str, object]:
    datatype = tensor["datatype"]
    kind = "STRING" if datatype == "BYTES" else datatype
    return {"name": tensor["name"], "data_type": f"TYPE_{kind}", "dims": tensor["shape"]}
