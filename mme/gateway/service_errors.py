"""The endpoint's errors as SageMaker has them: status, type, body.

Shapes: SageMaker Runtime service model 2017-05-13. Clients take the error's class from the header
`x-amzn-ErrorType` and the text from `Message`; a failure of the model is always 424, because
clients send 5xx again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core import errors
from mme.endpoints.operation import ControlPlaneError
from mme.gateway.async_runtime import NoSuchInference
from mme.gateway.bodies import ExpectationFailed
from mme.gateway.control_plane import control_plane_error
from mme.gateway.errors import ErrorTable, json_answer, message_of
from mme.gateway.headers import ERROR_TYPE, step_headers
from mme.gateway.refused import Refused, refused_answer
from mme.gateway.routing import MethodNotAllowed, NoSuchPath
from mme.gateway.server_sent import TooManyStreams
from mme.gateway.sites import Forbidden, NoJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from mme.core.answer import Answer
    from mme.core.timing import StepTime
    from mme.gateway.errors import Form

ORIGINAL_MESSAGE_CHARS = 2048
SERVER_FAULT = 500


def model_error_of(answer: Answer) -> web.Response:
    """The HTTP answer for an error answer of the model (status 400 or above)."""
    text = answer.body.decode("utf-8", "replace")
    return model_error(answer.status, text, answer.speaker, answer.steps)


def model_error(
    status: int, body: str, speaker: str = "model", steps: Sequence[StepTime] = ()
) -> web.Response:
    """A ModelError: what the model's side answered, status 0 for no answer.

    `speaker` is who answered; of a pipeline, which step.
    """
    side, code = (
        ("client", "CLIENT_ERROR_FROM_MODEL")
        if 0 < status < SERVER_FAULT
        else ("server", "INTERNAL_FAILURE_FROM_MODEL")
    )
    original = body[:ORIGINAL_MESSAGE_CHARS]
    return json_answer(
        {
            "Message": f'Received {side} error ({status}) from {speaker} with message "{original}"',
            "ErrorCode": code,
            "OriginalStatusCode": status,
            "OriginalMessage": original,
        },
        424,
        {ERROR_TYPE: "ModelError", **step_headers(steps)},
    )


def _model_failed(error: errors.ModelFailed) -> web.Response:
    return model_error(error.status, error.body, error.speaker, error.steps)


def _not_allowed(error: MethodNotAllowed) -> web.Response:
    headers = {ERROR_TYPE: "MethodNotAllowed", "Allow": error.allowed}
    return json_answer({"Message": error.message}, 405, headers)


def _wire(status: int, error_type: str) -> Form:
    def form(error: Exception) -> web.Response:
        message = message_of(error, "The endpoint")
        return json_answer({"Message": message}, status, {ERROR_TYPE: error_type})

    return form


SERVICE_ERRORS = ErrorTable(
    {
        errors.InvalidRequest: _wire(400, "ValidationError"),
        errors.NotLoaded: _wire(404, "ResourceNotFound"),
        errors.PinnedBySettings: _wire(409, "ResourceInUse"),
        ControlPlaneError: control_plane_error,
        NoSuchInference: _wire(404, "ResourceNotFound"),
        NoSuchPath: _wire(404, "UnknownOperationException"),
        MethodNotAllowed: _not_allowed,
        Refused: refused_answer,
        Forbidden: _wire(403, "AccessDeniedException"),
        NoJson: _wire(415, "UnsupportedMediaType"),
        ExpectationFailed: _wire(417, "ValidationError"),
        errors.ModelFailed: _model_failed,
        errors.ModelNotReady: _wire(429, "ModelNotReadyException"),
        errors.StoreUnavailable: _wire(530, "InternalDependencyException"),
        errors.Busy: _wire(503, "ServiceUnavailable"),
        errors.Overloaded: _wire(503, "ServiceUnavailable"),
        errors.StateUnavailable: _wire(503, "ServiceUnavailable"),
        TooManyStreams: _wire(503, "ServiceUnavailable"),
        errors.ShuttingDown: _wire(503, "ServiceUnavailable"),
        errors.NoDiskSpace: _wire(503, "ServiceUnavailable"),
        Exception: _wire(500, "InternalFailure"),
    }
)
