"""Which request of the protocol's other form each call is, and which message its answer becomes."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from google.protobuf.message_factory import GetMessageClass
from tritonclient.grpc import service_pb2 as pb

from mme.core.errors import InvalidRequest
from mme.gateway.grpc.tensors import body_of, inferred, values_of
from mme.gateway.open_inference.inference import HEADER_LENGTH
from mme.gateway.open_inference.names import VERSION, VERSIONED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
INFER, STREAM, STATISTICS = "ModelInfer", "ModelStreamInfer", "ModelStatistics"
CALLS: Mapping[str, tuple[str, str, str]] = {
    "ServerLive": ("GET", "/v2/health/live", "live"),
    "ServerReady": ("GET", "/v2/health/ready", "ready"),
    "ServerMetadata": ("GET", "/v2", ""),
    "ModelReady": ("GET", "/v2/models/{}/ready", "ready"),
    "ModelMetadata": ("GET", "/v2/models/{}", ""),
    "ModelConfig": ("GET", "/v2/models/{}/config", "config"),
    STATISTICS: ("GET", "/v2/models/{}/stats", ""),
    INFER: ("POST", "/v2/models/{}/infer", ""),
    "RepositoryIndex": ("POST", "/v2/repository/index", "models"),
    "RepositoryModelLoad": ("POST", "/v2/repository/models/{}/load", ""),
    "RepositoryModelUnload": ("POST", "/v2/repository/models/{}/unload", ""),
}
"""Call -> method, path, and the field of its message that the answer is; "": it is all of it."""
FLAGS = ("live", "ready")
NOT_READY = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)
"""What a model, or a server, is answered with that is not ready: no errors to who asks for that."""


def path_of(call: str, sent: Any) -> str:
    """The path for a message. Raises InvalidRequest: it names no model."""
    path = CALLS[call][1]
    if "{}" not in path:
        return path
    has_long_names = hasattr(sent, "model_name")
    name = sent.model_name if has_long_names else sent.name
    version = getattr(sent, "model_version" if has_long_names else "version", "")
    if not name:
        if call == STATISTICS:
            return "/v2/models/stats"
        raise InvalidRequest("The request names no model")
    # Else the end of a name could be taken for a call, or for a version.
    if version or path.endswith("{}") or VERSIONED.fullmatch(name):
        return path.format(f"{quote(name)}/versions/{quote(version or VERSION, safe='')}")
    return path.format(quote(name))


def content_of(call: str, sent: Any) -> tuple[bytes, int | None]:
    """The body for a message, and how much of it is JSON if it is to be said.

    Raises InvalidRequest.
    """
    if call == INFER:
        return body_of(sent)
    if hasattr(sent, "parameters"):
        return json.dumps({"parameters": values_of(sent.parameters)}).encode(), None
    return json.dumps({"ready": sent.ready}).encode() if hasattr(sent, "ready") else b"", None


def message_of(call: str, answer: web.Response) -> Any:
    """The message of an answer. Raises TypeError, ValueError, LookupError where there is none."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    if call == INFER:
        size = answer.headers.get(HEADER_LENGTH)
        return inferred(body, None if size is None else int(size))
    field = CALLS[call][2]
    said: Any = answer.status == HTTPStatus.OK if field in FLAGS else json.loads(body or b"{}")
    kind = GetMessageClass(SERVICE.methods_by_name[call].output_type)
    return kind(**({field: said} if field else said))


def is_error(call: str, answer: web.Response) -> bool:
    """Whether an answer is an error to who asked for this."""
    is_flag = CALLS[call][2] in FLAGS and answer.status in NOT_READY
    return answer.status >= HTTPStatus.BAD_REQUEST and not is_flag
