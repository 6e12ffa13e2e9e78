"""The gateway: one HTTP server for the runtime and the management surface.

Gives every request an id, a log line and, whatever happens, an answer in SageMaker's shape.
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from mme.core.errors import EndpointError
from mme.gateway import errors
from mme.gateway.management import Management
from mme.gateway.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mme.core.settings import Settings
    from mme.residency import Residency

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

REQUEST_ID = "x-amzn-RequestId"
QUIET_PATHS = frozenset({"/ping"})


def make_app(settings: Settings, residency: Residency) -> web.Application:
    """The application that serves both surfaces."""
    # Bodies are read with our own limit, so that the error has the service's shape.
    app = web.Application(middlewares=[answer_always], client_max_size=0)
    app.add_routes(Runtime(settings, residency).routes())
    app.add_routes(Management(residency).routes())
    return app


@web.middleware
async def answer_always(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into an answer, name the request, and log it."""
    began_s = time.perf_counter()
    request_id = str(uuid.uuid4())
    try:
        answer = await handler(request)
    except web.HTTPException as refusal:  # no such route, or not by this method
        answer = _refused(request, refusal)
    except EndpointError as error:
        answer = errors.error_response(error)
        request["reason"] = error.message
    except Exception as error:
        log.exception("request %s failed", request_id)
        answer = errors.error_response(error)
    answer.headers[REQUEST_ID] = request_id
    _log(request, answer, request_id, time.perf_counter() - began_s)
    return answer


def _refused(request: web.Request, refusal: web.HTTPException) -> web.Response:
    if refusal.status == web.HTTPMethodNotAllowed.status_code:
        text = f"{request.method} is not possible on {request.path}"
        answer = errors.response(405, "MethodNotAllowed", {"Message": text})
        answer.headers["Allow"] = refusal.headers.get("Allow", "")
        return answer
    if refusal.status == web.HTTPNotFound.status_code:
        text = f"There is nothing at {request.path}"
        return errors.response(404, "UnknownOperationException", {"Message": text})
    return errors.response(refusal.status, "ValidationError", {"Message": refusal.reason})


def _log(
    request: web.Request, answer: web.StreamResponse, request_id: str, duration_s: float
) -> None:
    level = logging.DEBUG if request.path in QUIET_PATHS else logging.INFO
    if not log.isEnabledFor(level):
        return
    log.log(
        level,
        "%s %s %d %.1f ms %s %s",
        request.method,
        request.rel_url.raw_path,
        answer.status,
        duration_s * 1000,
        request_id,
        request.get("outcome") or request.get("reason") or "",
    )
