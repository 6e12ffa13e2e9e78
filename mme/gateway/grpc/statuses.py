"""What an error of HTTP becomes: gRPC's status, its text, and what goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from mme.access.refusals import UnknownCaller
from mme.gateway.headers import ERROR_TYPE, MEANT_TARGET, MODEL_VERSION, REQUEST_ID, SAMPLE
from mme.gateway.open_inference.errors import json_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

CODES: Mapping[int, StatusCode] = {
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    409: StatusCode.FAILED_PRECONDITION,
    413: StatusCode.RESOURCE_EXHAUSTED,
    429: StatusCode.RESOURCE_EXHAUSTED,
    501: StatusCode.UNIMPLEMENTED,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
    507: StatusCode.RESOURCE_EXHAUSTED,
}
"""Status of HTTP -> gRPC's; others are INVALID_ARGUMENT below 500, and INTERNAL."""
SERVER_FAULT = 500
TYPES: Mapping[str, StatusCode] = {
    "ModelNotReadyException": StatusCode.UNAVAILABLE,
    UnknownCaller.code: StatusCode.UNAUTHENTICATED,
}
"""Types of errors whose status of HTTP says something else too."""
TEXT_BYTES = 2048
"""A status goes in the head of an answer, of which clients take 8 KiB: percent-encoded."""
TOLD = (REQUEST_ID, MEANT_TARGET, MODEL_VERSION, SAMPLE, "Retry-After")
TOLD_CHARS = 1024


def code_of(answer: web.Response) -> StatusCode:
    """The status of an error."""
    usual = StatusCode.INTERNAL if answer.status >= SERVER_FAULT else StatusCode.INVALID_ARGUMENT
    code = CODES.get(answer.status, usual)
    return TYPES.get(answer.headers.get(ERROR_TYPE, ""), code)


def text_of(answer: web.Response) -> str:
    """What an error says."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    said = json_in(body)
    text = said.get("error") if isinstance(said, dict) else None
    return shortened(text if isinstance(text, str) else body.decode("utf-8", "replace"))


def shortened(text: str) -> str:
    """As much of a text as an answer can take."""
    return text.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore")


def metadata_of(answer: web.Response) -> tuple[tuple[str, str], ...]:
    """The headers that gRPC's callers get too."""
    found = ((name.lower(), answer.headers.get(name, "")) for name in TOLD)
    return tuple((name, value) for name, value in found if 0 < len(value) <= TOLD_CHARS)
