"""Which request of the protocol's other form each call is, and which message its answer becomes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from google.protobuf.json_format import ParseDict
from tritonclient.grpc import service_pb2 as pb

from mme.core.errors import InvalidRequest
from mme.gateway.grpc.tensors import body_of, message_of, values_of
from mme.gateway.open_inference import absent
from mme.gateway.open_inference.inference import HEADER_LENGTH
from mme.gateway.open_inference.names import VERSION, VERSIONED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from aiohttp import web

GET, POST = "GET", "POST"
NOT_READY = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND})
"""What a model that is not in memory, or is none, is answered with."""


@dataclass(frozen=True, slots=True)
class Form:
    """One call as a request."""

    method: str
    path: str
    """Below /v2; `{}` stands for the model."""
    answer: Callable[[web.Response], Any]
    """The message of an answer."""
    body: Callable[[Any], tuple[bytes, int | None]] = lambda _: (b"", None)
    """Of a message, and how much of it is JSON if that is to be said. Raises InvalidRequest."""
    negative: Collection[int] = ()
    """Statuses of answers that are no errors."""

    def path_of(self, sent: Any) -> str:
        """The path for a message. Raises InvalidRequest: it names no model."""
        if "{}" not in self.path:
            return self.path
        has_long_names = hasattr(sent, "model_name")
        name = sent.model_name if has_long_names else sent.name
        version = getattr(sent, "model_version" if has_long_names else "version", "")
        if not name:
            raise InvalidRequest("The request names no model")
        # Without it the end of a name could be taken for a call, or for a version.
        if version or self.path.endswith("{}") or VERSIONED.fullmatch(name):
            return self.path.format(f"{quote(name)}/versions/{quote(version or VERSION, safe='')}")
        return self.path.format(quote(name))


def _body(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""


def _parsed(kind: Any, field: str = "") -> Callable[[web.Response], Any]:
    """A message, or a field of it, that has the names of the answer's JSON."""

    def parse(answer: web.Response) -> Any:
        said = json.loads(_body(answer))
        return ParseDict({field: said} if field else said, kind(), ignore_unknown_fields=True)

    return parse


def _ready(kind: Any) -> Callable[[web.Response], Any]:
    return lambda answer: kind(ready=answer.status == HTTPStatus.OK)


def _inferred(answer: web.Response) -> Any:
    size = answer.headers.get(HEADER_LENGTH)
    return message_of(_body(answer), None if size is None else int(size))


def _parameters(sent: Any) -> tuple[bytes, None]:
    return json.dumps({"parameters": values_of(sent.parameters)}).encode(), None


INFER = Form(POST, "/v2/models/{}/infer", _inferred, body_of)
ALL_STATISTICS = Form(GET, "/v2/models/stats", _parsed(pb.ModelStatisticsResponse))
CALLS: Mapping[str, Form] = {
    "ServerLive": Form(GET, "/v2/health/live", lambda _: pb.ServerLiveResponse(live=True)),
    "ServerReady": Form(
        GET,
        "/v2/health/ready",
        _ready(pb.ServerReadyResponse),
        negative=(HTTPStatus.SERVICE_UNAVAILABLE,),
    ),
    "ServerMetadata": Form(GET, "/v2", _parsed(pb.ServerMetadataResponse)),
    "ModelReady": Form(
        GET, "/v2/models/{}/ready", _ready(pb.ModelReadyResponse), negative=NOT_READY
    ),
    "ModelMetadata": Form(GET, "/v2/models/{}", _parsed(pb.ModelMetadataResponse)),
    "ModelConfig": Form(GET, "/v2/models/{}/config", _parsed(pb.ModelConfigResponse, "config")),
    "ModelStatistics": Form(GET, "/v2/models/{}/stats", _parsed(pb.ModelStatisticsResponse)),
    "ModelInfer": INFER,
    "RepositoryIndex": Form(
        POST,
        "/v2/repository/index",
        lambda answer: pb.RepositoryIndexResponse(models=json.loads(_body(answer))),
        lambda sent: (json.dumps({"ready": sent.ready}).encode(), None),
    ),
    "RepositoryModelLoad": Form(
        POST,
        "/v2/repository/models/{}/load",
        lambda _: pb.RepositoryModelLoadResponse(),
        _parameters,
    ),
    "RepositoryModelUnload": Form(
        POST,
        "/v2/repository/models/{}/unload",
        lambda _: pb.RepositoryModelUnloadResponse(),
        _parameters,
    ),
}
EXTENSIONS = {
    "SystemSharedMemory": "systemsharedmemory",
    "CudaSharedMemory": "cudasharedmemory",
    "TraceSetting": "trace",
    "LogSettings": "logging",
}
"""How calls begin that are not there -> their extension, as HTTP's paths have it."""


def form_of(call: str, sent: Any) -> Form:
    """The form of a call with this message."""
    is_of_all = call == "ModelStatistics" and not sent.name
    return ALL_STATISTICS if is_of_all else CALLS[call]


def why_absent(call: str) -> str:
    """What the caller of a call that is not there is told."""
    what = next((name for start, name in EXTENSIONS.items() if call.startswith(start)), "")
    named = absent.ABSENT.get(what, call)
    return f"This endpoint has no {named}; ServerMetadata names the extensions it has"
