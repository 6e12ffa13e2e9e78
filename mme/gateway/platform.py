"""The surface of a multi-model container: what the platform calls.

`/ping`, `GET` and `POST /models`, `GET` and `DELETE /models/{name}`, `POST /models/{name}/invoke`,
as in SageMaker's multi-model container contract; answers look like the model server's. What a
model answers goes back as it is, errors included. `POST /invocations` with a target model is for
platforms that only put folders there and load nothing, as local ones do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from aiohttp import web

from mme.core import errors
from mme.core.terms import Terms
from mme.gateway.bodies import ExpectationFailed
from mme.gateway.container import PING_TIMEOUT_S, answer_as_it_comes, failure
from mme.gateway.errors import ErrorTable, json_answer, message_of
from mme.gateway.headers import MODEL_NAME, TARGET, passed_on, printable, target_in
from mme.gateway.paging import limit_of
from mme.gateway.routing import MethodNotAllowed, NoSuchPath
from mme.gateway.sites import Forbidden, check_origin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from mme.core.answer import Answer
    from mme.core.parts import Parts
    from mme.core.settings import Settings
    from mme.gateway.engine import Platform
    from mme.gateway.errors import Form
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

    Invoke: TypeAlias = Callable[[str, Mapping[str, str], bytes, Terms], Awaitable[Answer]]

BODY_LIMIT_BYTES = 64 * 1024
MAX_NAME_CHARS = 1024
MAX_URL_CHARS, MAX_PART_BYTES = 4000, 255
"""As Linux has it."""


class PlatformSurface:
    """Handlers of the platform's calls."""

    def __init__(self, settings: Settings, engine: Platform) -> None:
        self._max_body_bytes = settings.max_body_bytes
        self._engine = engine

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("GET", "/ping", self.ping),
            ("GET", "/models", self.list_models),
            ("POST", "/models", self.load),
            ("GET", "/models/{name}", self.describe),
            ("DELETE", "/models/{name}", self.unload),
            ("POST", "/models/{name}/invoke", self.invoke),
            ("POST", "/invocations", self.invoke_target),
        ]

    async def ping(self, _: Call) -> web.Response:
        """200 while models can be loaded; whether they answer is each model's business."""
        return web.Response(status=200 if await self._engine.is_ready(PING_TIMEOUT_S) else 503)

    async def list_models(self, call: Call) -> web.Response:
        """What is loaded, page by page; the token is the last name of the page before."""
        query = call.request.query
        limit = limit_of(query.get("limit"))
        models, has_more = self._engine.page(query.get("next_page_token", ""), limit)
        page: dict[str, object] = {"models": [_described(name, folder) for name, folder in models]}
        if has_more:
            page["nextPageToken"] = models[-1][0]
        return json_answer(page)

    async def load(self, call: Call) -> web.Response:
        """Load a model; returns when it answers."""
        check_origin(call.request.headers)
        name, url = _wanted(await call.body(BODY_LIMIT_BYTES))
        call.note = f"load {name}"
        await self._engine.load(name, url)
        return json_answer({"status": "Workers scaled"})  # in the model server's words

    async def describe(self, call: Call) -> web.Response:
        """One loaded model."""
        return json_answer(_described(call.name, self._engine.folder(call.name)))

    async def unload(self, call: Call) -> web.Response:
        """Unload a model; returns when its memory is free."""
        check_origin(call.request.headers)
        call.note = f"unload {call.name}"
        await self._engine.unload(call.name)
        return json_answer({"status": f'Model "{call.name}" unregistered'})

    async def invoke(self, call: Call) -> web.StreamResponse:
        """One prediction."""
        self._engine.check(call.name)
        return await self._answered(call, call.name, self._engine.invoke)

    async def invoke_target(self, call: Call) -> web.StreamResponse:
        """One prediction of the model in the folder that the target names."""
        target = target_in(call.request.headers)
        if target is None:
            raise errors.InvalidRequest(f"Name a target model in the header {TARGET}")
        self._engine.check_target(target)
        return await self._answered(call, target, self._engine.invoke_target)

    async def _answered(self, call: Call, name: str, invoke: Invoke) -> web.StreamResponse:
        body = await call.body(self._max_body_bytes)
        given = call.request.headers
        headers = passed_on(given)
        target = target_in(given)
        if target is not None:
            headers[str(TARGET)] = printable(target)
        else:  # answers in tensors name the model
            headers[MODEL_NAME] = quote(name, safe="/", errors="replace")

        asked = call.asks(name)

        async def ask(parts: Parts) -> Answer:
            terms = Terms(parts=parts, request_id=call.request_id)
            answer = await invoke(name, headers, body, terms)
            asked.answered(answer)
            return answer

        return await answer_as_it_comes(call, ask)


def _described(name: str, folder: Path) -> dict[str, str]:
    return {"modelName": name, "modelUrl": str(folder)}


def _wanted(body: bytes) -> tuple[str, str]:
    """The name and the folder a load asks for. Raises InvalidRequest."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise errors.BodyRefused(f"The body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise errors.BodyRefused(f"The body is a JSON {type(content).__name__}, not an object")
    name, url = _text(content, "model_name"), _text(content, "url")
    if len(name) > MAX_NAME_CHARS:
        raise errors.BodyRefused(f"model_name has {len(name)} characters")
    if (
        max(len(part.encode()) for part in url.split("/")) > MAX_PART_BYTES
        or len(url) > MAX_URL_CHARS
    ):
        raise errors.BodyRefused("url is longer than a path, or a part of one, can be")
    return name, url


def _text(content: dict[str, object], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value or "\0" in value or not _is_utf8(value):
        raise errors.BodyRefused(
            f'{key} is {str(value)[:100]!r}; wanted is {{"model_name": "...",'
            ' "url": "/opt/ml/models/.../model"}'
        )
    return value


def _is_utf8(text: str) -> bool:
    """Whether text from JSON can be written at all: half a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _not_allowed(error: MethodNotAllowed) -> web.Response:
    return _error(405, "MethodNotAllowedException", error.message, {"Allow": error.allowed})


def _wire(status: int, kind: str) -> Form:
    return lambda error: _error(status, kind, message_of(error, "The container"))


def _error(
    status: int, kind: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    """An error in the model server's form."""
    return json_answer({"code": status, "type": kind, "message": message}, status, headers)


PLATFORM_ERRORS = ErrorTable(
    {
        errors.PayloadTooLarge: _wire(413, "RequestEntityTooLargeException"),
        errors.InvalidRequest: _wire(400, "BadRequestException"),
        errors.AlreadyLoaded: _wire(409, "ConflictStatusException"),
        errors.NotLoaded: _wire(404, "ModelNotFoundException"),
        NoSuchPath: _wire(404, "ResourceNotFoundException"),
        MethodNotAllowed: _not_allowed,
        Forbidden: _wire(403, "ForbiddenException"),
        ExpectationFailed: _wire(417, "BadRequestException"),
        errors.ModelFailed: failure,
        errors.ModelNotReady: _wire(503, "ServiceUnavailableException"),
        errors.Busy: _wire(503, "ServiceUnavailableException"),
        errors.Overloaded: _wire(503, "ServiceUnavailableException"),
        errors.ShuttingDown: _wire(503, "ServiceUnavailableException"),
        errors.NoDiskSpace: _wire(507, "InsufficientStorageException"),
        Exception: _wire(500, "InternalServerException"),
    }
)
