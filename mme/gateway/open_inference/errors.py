"""The endpoint's errors in the protocol's form: `{"error": "text"}`, with a status that says whose.

Statuses are those of the other surfaces, but for a model's failure, which has its own here: clients
of the protocol send nothing again by themselves.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict

from mme.core.errors import (
    ModelFailed,
    ModelTimedOut,
    PayloadTooLarge,
    StoreUnavailable,
    TargetNotFound,
)
from mme.gateway.errors import JSON, ErrorTable, message_of
from mme.gateway.headers import CONTENT_TYPE, ERROR_TYPE
from mme.gateway.service_errors import SERVICE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRORS = range(400, 600)
STATUSES: Mapping[type[Exception], HTTPStatus] = {
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TargetNotFound: HTTPStatus.NOT_FOUND,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    ModelTimedOut: HTTPStatus.GATEWAY_TIMEOUT,
}
"""Where another status says more to these clients."""
UNKNOWN = "Request for unknown model"
"""As Triton begins what clients look for."""


def error_answer(
    message: str, status: int, headers: Mapping[str, str] | None = None
) -> web.Response:
    """One error."""
    given = CIMultiDict(headers or ())
    given[CONTENT_TYPE] = JSON
    text = json.dumps({"error": message}, ensure_ascii=False).encode("utf-8", "replace")
    return web.Response(status=status, headers=given, body=text)


def model_error(status: int, body: bytes) -> web.Response:
    """What a model answered instead of its outputs."""
    status = status if status in ERRORS else HTTPStatus.INTERNAL_SERVER_ERROR
    return error_answer(_message_in(body), status, {ERROR_TYPE: "ModelError"})


class OpenInferenceErrors(ErrorTable):
    """The table of the surface."""

    def __init__(self) -> None:
        super().__init__({Exception: self._form})

    def _form(self, error: Exception) -> web.Response:
        usual = SERVICE_ERRORS.answer(error)
        if isinstance(error, ModelFailed) and not isinstance(error, ModelTimedOut):
            return model_error(error.status, error.body.encode("utf-8", "replace"))
        status = next(
            (STATUSES[base] for base in type(error).__mro__ if base in STATUSES), usual.status
        )
        headers = CIMultiDict(usual.headers)
        headers.popall("Content-Length", None)
        message = message_of(error, "The endpoint")
        if isinstance(error, TargetNotFound):
            message = f"{UNKNOWN}: {message}"
        return error_answer(message, status, headers)


def json_in(body: bytes) -> Any:
    """What a body says; None: it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _message_in(body: bytes) -> str:
    text, said = body.decode("utf-8", "replace"), json_in(body)
    message = said.get("message") if isinstance(said, dict) else None
    return message if isinstance(message, str) else text


OPEN_INFERENCE_ERRORS = OpenInferenceErrors()
