"""The one table from the endpoint's errors to SageMaker's: status, type, body.

Shapes: SageMaker Runtime service model 2017-05-13. Clients take the error's class from the header
`x-amzn-ErrorType` and the text from `Message`; a failure of the model is always 424, because
clients send 5xx again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from mme.core import errors

if TYPE_CHECKING:
    from mme.residency import Answer

JSON = "application/json"
ORIGINAL_MESSAGE_CHARS = 2048
SERVER_FAULT = 500


@dataclass(frozen=True, slots=True)
class WireError:
    """HTTP status and error type of a class of errors."""

    status: int
    type: str


# Looked up along the class's MRO, most specific first.
WIRE: dict[type[BaseException], WireError] = {
    errors.InvalidRequest: WireError(400, "ValidationError"),
    errors.NotLoaded: WireError(404, "ResourceNotFound"),
    errors.ModelFailed: WireError(424, "ModelError"),
    errors.ModelNotReady: WireError(429, "ModelNotReadyException"),
    errors.StoreUnavailable: WireError(530, "InternalDependencyException"),
    errors.Busy: WireError(503, "ServiceUnavailable"),
    errors.ShuttingDown: WireError(503, "ServiceUnavailable"),
    errors.NoDiskSpace: WireError(503, "ServiceUnavailable"),
    Exception: WireError(500, "InternalFailure"),
}


def wire_error(error: BaseException) -> WireError:
    """The wire form of an error's class."""
    for base in type(error).__mro__:
        if base in WIRE:
            return WIRE[base]
    return WIRE[Exception]


def error_response(error: Exception) -> web.Response:
    """The HTTP answer for any error that reaches the edge."""
    wire = wire_error(error)
    if isinstance(error, errors.ModelFailed):
        return model_error(error.status, error.body)
    message = (
        error.message
        if isinstance(error, errors.EndpointError)
        else "The endpoint failed in a way that was not foreseen; its log has the details"
    )
    return response(wire.status, wire.type, {"Message": message})


def model_error_of(answer: Answer) -> web.Response:
    """The HTTP answer for an error answer of the model (status 400 or above)."""
    return model_error(answer.status, answer.body.decode("utf-8", "replace"))


def model_error(status: int, body: str) -> web.Response:
    """A ModelError: what the model's side answered, status 0 for no answer."""
    side, code = (
        ("client", "CLIENT_ERROR_FROM_MODEL")
        if 0 < status < SERVER_FAULT
        else ("server", "INTERNAL_FAILURE_FROM_MODEL")
    )
    original = body[:ORIGINAL_MESSAGE_CHARS]
    return response(
        WIRE[errors.ModelFailed].status,
        WIRE[errors.ModelFailed].type,
        {
            "Message": f'Received {side} error ({status}) from model with message "{original}"',
            "ErrorCode": code,
            "OriginalStatusCode": status,
            "OriginalMessage": original,
        },
    )


def response(status: int, error_type: str, body: dict[str, object]) -> web.Response:
    """An error answer in the service's shape."""
    return web.Response(
        status=status,
        headers={"x-amzn-ErrorType": error_type},
        body=json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        content_type=JSON,
    )
