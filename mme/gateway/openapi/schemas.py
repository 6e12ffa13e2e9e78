"""The JSON that the management routes answer, as JSON schemas by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mme.core.events import KINDS
from mme.residency.views import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.gateway.openapi.describing import Schema

TIME: Schema = {"type": "string", "format": "date-time"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number", "minimum": 0}
NUMBER_OR_NONE: Schema = {"type": ["number", "null"], "minimum": 0}
COUNT_OR_NONE: Schema = {"type": ["integer", "null"], "minimum": 0}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}


def ref(name: str) -> Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def array_of(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def one_of(*schemas: Schema) -> Schema:
    """One or the other."""
    return {"oneOf": list(schemas)}


def thing(members: Mapping[str, Schema], *optional: str, is_open: bool = False) -> dict[str, Any]:
    """An object that has these members, but for those that are optional, and no others."""
    return {
        "type": "object",
        "properties": dict(members),
        "required": [name for name in members if name not in optional],
        "additionalProperties": is_open,
    }


MODEL = {
    "target_model": TEXT,
    "state": {"type": "string", "enum": [state.value for state in State]},
    "pinned": FLAG,
    "in_flight": COUNT,
    "invocations": COUNT,
    "errors": COUNT,
}
MODEL_MORE = {
    "version": TEXT,
    "archive_bytes": COUNT,
    "unpacked_bytes": COUNT,
    "memory_bytes": COUNT,
    "workers": COUNT,
    "p50_ms": NUMBER,
    "p99_ms": NUMBER,
    "load_s": NUMBER,
    "fetched_at": TIME,
    "loaded_at": TIME,
    "last_used_at": TIME,
    "modified_at": TIME,
    "evicted_at": TIME,
    "age_at_eviction_s": NUMBER,
    "last_error": thing({"at": TIME, "message": TEXT}),
    "failed_updates": COUNT,
    "gone_from_store": FLAG,
    "aliases": array_of(TEXT),
    "model": {"type": "object", "description": "What the model's family says of it."},
}
EVENT = {
    "id": COUNT,
    "at": TIME,
    "kind": {"type": "string", "enum": list(KINDS)},
    "target_model": TEXT,
    "message": TEXT,
}
SHARE = {
    "target_model": TEXT,
    "memory_bytes": COUNT,
    "in_flight": COUNT,
    "invocations": COUNT,
    "p50_ms": NUMBER_OR_NONE,
    "p99_ms": NUMBER_OR_NONE,
}
STATUS = {
    "mode": TEXT,
    "version": TEXT,
    "store": thing({"uri": TEXT, "error": TEXT}),
    "started_at": TIME,
    "uptime_s": NUMBER,
    "health": thing({"ready": FLAG, "reason": TEXT}),
    "memory": thing(
        dict.fromkeys(
            ("used_bytes", "limit_bytes", "high_bytes", "low_bytes", "models_bytes"), COUNT
        )
    ),
    "tasks": thing(dict.fromkeys(("used", "limit", "high"), COUNT)),
    "disk": thing({"used_bytes": COUNT, "limit_bytes": COUNT_OR_NONE}),
    "models": thing(dict.fromkeys(("ready", "on_disk", "downloading", "pinned", "failed"), COUNT)),
    "workers": thing({"pool": COUNT, "own": COUNT, "busy": COUNT, "resting": FLAG}),
    "queue": thing({"waiting": COUNT, "in_flight": COUNT}),
    "requests": thing(
        {
            **dict.fromkeys(("total", "errors", "warm", "cold", "first"), COUNT),
            "per_s": NUMBER,
            "p50_ms": NUMBER_OR_NONE,
            "p99_ms": NUMBER_OR_NONE,
        }
    ),
    "loads": COUNT,
    "evictions": COUNT,
    "worker_deaths": COUNT,
    "top": array_of(ref("Share")),
    "last_event_id": COUNT,
}
ALIAS = {"alias": TEXT, "target_model": TEXT, "wanted": TEXT, "state": TEXT, "reason": TEXT}
STEP_MORE = {"target_model": TEXT, "targets": TEXT, "is_container": FLAG, "state": TEXT}
STEP = {"name": TEXT, **STEP_MORE}
SCHEMAS: dict[str, Schema] = {
    "Model": thing(MODEL | MODEL_MORE, *MODEL_MORE),
    "Event": thing(EVENT, is_open=True),
    "Share": thing(SHARE),
    "Status": thing(STATUS),
    "Alias": thing(ALIAS, "wanted", "state", "reason"),
    "Models": thing(
        {
            "models": array_of(ref("Model")),
            "nextPageToken": TEXT,
            "store_error": TEXT,
            "pipelines": array_of(ref("Pipeline")),
        },
        "nextPageToken",
        "store_error",
        "pipelines",
    ),
    "Pipeline": thing(
        {
            "pipeline": TEXT,
            "state": TEXT,
            "takes_target_model": FLAG,
            "steps": array_of(ref("PipelineStep")),
        }
    ),
    "PipelineStep": thing(STEP, *STEP_MORE),
    "WhyPipeline": thing(
        {"pipeline": TEXT, "state": TEXT, "why": TEXT, "steps": array_of(ref("PipelineStep"))}
    ),
    "Aliases": thing({"aliases": array_of(ref("Alias")), "nextPageToken": TEXT}, "nextPageToken"),
    "Events": thing({"events": array_of(ref("Event")), "last_id": COUNT}),
    "Why": thing(
        {"target_model": TEXT, "state": TEXT, "why": TEXT, "events": array_of(ref("Event"))}
    ),
    "InferenceServer": thing({"name": TEXT, "version": TEXT, "extensions": array_of(TEXT)}),
    "InferenceModel": thing(
        {
            "name": TEXT,
            "versions": array_of(TEXT),
            "platform": TEXT,
            "inputs": array_of(ref("Tensor")),
            "outputs": array_of(ref("Tensor")),
        }
    ),
    "InferenceConfig": thing({"name": TEXT, "platform": TEXT}, is_open=True),
    "InferenceStatistics": thing({"model_stats": array_of({"type": "object"})}),
    "InferenceIndexEntry": thing(dict.fromkeys(("name", "version", "state", "reason"), TEXT)),
    "Tensor": thing({"name": TEXT, "datatype": TEXT, "shape": array_of({"type": "integer"})}),
    "Generate": thing(
        {"text_input": TEXT, "id": TEXT, "parameters": {"type": "object"}},
        "id",
        "parameters",
        is_open=True,
    ),
    "Generated": thing(
        {
            "model_name": TEXT,
            "model_version": TEXT,
            "text_output": {"type": ["string", "array"]},
            "id": TEXT,
        },
        "id",
    ),
    "InferenceError": thing({"error": TEXT}),
    "ServiceError": thing({"__type": TEXT, "message": TEXT}),
    "Error": thing({"Message": TEXT}, is_open=True),
}
