"""The surface of a multi-model container: what the platform calls, and nothing beyond.

`/ping`, `GET` and `POST /models`, `GET` and `DELETE /models/{name}`, `POST /models/{name}/invoke`,
as in SageMaker's multi-model container contract; answers look like the model server's. What a
model answers goes back as it is, errors included. Leaves the models to `HostedModels`.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mme.core import errors
from mme.gateway.passing import PING_TIMEOUT_S, answer_of, failure, passed_on
from mme.gateway.runtime import TARGET, printable_header, read_body, target_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mme.core.settings import Settings
    from mme.residency import HostedModels

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

PAGE_LENGTH, LONGEST_PAGE = 100, 1000
LOAD_BODY_BYTES = 65536
MAX_NAME_CHARS = 1024
JSON = "application/json"

WIRE: dict[type[errors.EndpointError], tuple[int, str]] = {
    errors.PayloadTooLarge: (413, "RequestEntityTooLargeException"),
    errors.InvalidRequest: (400, "BadRequestException"),
    errors.AlreadyLoaded: (409, "ConflictStatusException"),
    errors.NotLoaded: (404, "ModelNotFoundException"),
    errors.ModelNotReady: (503, "ServiceUnavailableException"),
    errors.Busy: (503, "ServiceUnavailableException"),
    errors.ShuttingDown: (503, "ServiceUnavailableException"),
}
"""Errors that are no model's own: status and the model server's word for them."""


def make_hosted_app(settings: Settings, models: HostedModels) -> web.Application:
    """The application."""
    surface = _Surface(settings, models)
    app = web.Application(client_max_size=0, middlewares=[_errors_answered])
    app.add_routes(
        [
            web.get("/ping", surface.ping),
            web.get("/models", surface.list_models),
            web.post("/models", surface.load),
            web.get("/models/{name}", surface.describe),
            web.delete("/models/{name}", surface.unload),
            web.post("/models/{name}/invoke", surface.invoke),
        ]
    )
    return app


@web.middleware
async def _errors_answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        text = f"{request.method} {request.path[:200]}: {refusal.reason}"
        return _error(refusal.status, "ResourceNotFoundException", text)
    except errors.ModelFailed as error:
        return failure(error)
    except errors.EndpointError as error:
        kind = next(base for base in type(error).__mro__ if base in WIRE)
        return _error(*WIRE[kind], error.message)
    except Exception:
        log.exception("%s %s failed", request.method, request.path[:200])
        reason = "The container failed in a way that was not foreseen; its log has the details"
        return _error(500, "InternalServerException", reason)


class _Surface:
    def __init__(self, settings: Settings, models: HostedModels) -> None:
        self._settings = settings
        self._models = models

    async def ping(self, _: web.Request) -> web.Response:
        """200 while the model server answers; whether models do is each model's business."""
        return web.Response(status=200 if await self._models.is_ready(PING_TIMEOUT_S) else 503)

    async def list_models(self, request: web.Request) -> web.Response:
        """What is loaded, page by page; the token is the last name of the page before."""
        limit = _limit(request.query.get("limit"))
        after = request.query.get("next_page_token", "")
        loaded = self._models.loaded()
        names = [name for name in loaded if name > after]
        page: dict[str, Any] = {
            "models": [_described(name, loaded[name]) for name in names[:limit]]
        }
        if len(names) > limit:
            page["nextPageToken"] = names[limit - 1]
        return web.json_response(page)

    async def load(self, request: web.Request) -> web.Response:
        """Load a model; returns when it answers."""
        name, url = _wanted(await read_body(request, LOAD_BODY_BYTES))
        await self._models.load(name, url)
        return web.json_response({"status": f"Model {name!r} loaded"})

    async def describe(self, request: web.Request) -> web.Response:
        """One loaded model, in a list as the model server has it."""
        name = request.match_info["name"]
        folder = self._models.loaded().get(name)
        if folder is None:
            raise errors.NotLoaded(name[:MAX_NAME_CHARS])
        return web.json_response([_described(name, folder)])

    async def unload(self, request: web.Request) -> web.Response:
        """Unload a model; returns when its memory is free."""
        name = request.match_info["name"]
        await self._models.unload(name)
        return web.json_response({"status": f"Model {name!r} unregistered"})

    async def invoke(self, request: web.Request) -> web.Response:
        """One prediction."""
        body = await read_body(request, self._settings.max_body_bytes)
        headers = passed_on(request)
        if TARGET in request.headers:
            headers[TARGET] = printable_header(target_of(request))
        return answer_of(await self._models.invoke(request.match_info["name"], headers, body))


def _described(name: str, folder: object) -> dict[str, str]:
    return {"modelName": name, "modelUrl": str(folder)}


def _wanted(body: bytes) -> tuple[str, str]:
    """The name and the folder a load asks for. Raises InvalidRequest."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise errors.InvalidRequest(f"The body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise errors.InvalidRequest(f"The body is a JSON {type(content).__name__}, not an object")
    name, url = _text(content, "model_name"), _text(content, "url")
    if len(name) > MAX_NAME_CHARS:
        raise errors.InvalidRequest(f"model_name has {len(name)} characters")
    return name, url


def _text(content: dict[str, object], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value or "\0" in value:
        raise errors.InvalidRequest(
            f'{key} is {str(value)[:100]!r}; wanted is {{"model_name": "...",'
            ' "url": "/opt/ml/models/.../model"}'
        )
    return value


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE_LENGTH
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= LONGEST_PAGE:
        raise errors.InvalidRequest(f"limit is {text[:20]!r}: wanted is 1 to {LONGEST_PAGE}")
    return int(text)


def _error(status: int, kind: str, message: str) -> web.Response:
    """An error in the model server's form."""
    body = {"code": status, "type": kind, "message": message}
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return web.Response(status=status, body=text, content_type=JSON)
