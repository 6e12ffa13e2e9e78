"""The surface of a single-model container: `/ping`, `/invocations`, `/execution-parameters`.

What the platform sends reaches the model as it is, and what the model answers goes back as it is,
errors included: the platform gives them their form. Leaves the loading to its owner.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from mme.core.errors import PayloadTooLarge
from mme.gateway.passing import PING_TIMEOUT_S, answer_of, passed_on, problem
from mme.gateway.runtime import read_body
from mme.mms import NO_ANSWER, MmsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.settings import Settings
    from mme.mms import MmsClient, SoleModel

MIB = 1024 * 1024
BATCH_MAX_MIB = 100


def make_single_app(settings: Settings, current: Callable[[], SoleModel | None]) -> web.Application:
    """The application; `current` gives the model while it is loaded."""
    surface = _Surface(settings, current)
    app = web.Application(client_max_size=0)
    app.add_routes(
        [
            web.get("/ping", surface.ping),
            web.post("/invocations", surface.invoke),
            web.get("/execution-parameters", surface.execution_parameters),
        ]
    )
    return app


class _Surface:
    def __init__(self, settings: Settings, current: Callable[[], SoleModel | None]) -> None:
        self._settings = settings
        self._current = current

    async def ping(self, _: web.Request) -> web.Response:
        """200 while the model is loaded and its server answers."""
        model = self._current()
        well = model is not None and await model.server.client.ping(timeout_s=PING_TIMEOUT_S)
        return web.Response(status=200 if well else 503)

    async def invoke(self, request: web.Request) -> web.Response:
        """One prediction."""
        try:
            body = await read_body(request, self._settings.max_body_bytes)
        except PayloadTooLarge as error:
            return problem(413, "PayloadTooLarge", error.message)
        model = self._current()
        if model is None:
            return problem(503, "ModelNotReady", "The model is not loaded, or not any longer")
        return await self._ask(model.server.client, model.NAME, passed_on(request), body)

    async def execution_parameters(self, _: web.Request) -> web.Response:
        """What suits batch transform: a record a request or many, one request at a time."""
        limit_mib = max(1, min(BATCH_MAX_MIB, self._settings.max_body_bytes // MIB))
        return web.json_response(
            {
                "MaxConcurrentTransforms": 1,
                "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": limit_mib,
            }
        )

    async def _ask(
        self, mms: MmsClient, name: str, headers: dict[str, str], body: bytes
    ) -> web.Response:
        timeout_s = self._settings.invoke_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                answer = await mms.invoke(name, headers, body)
        except TimeoutError:
            return problem(504, "ModelTimeout", f"The model did not answer within {timeout_s:g} s")
        except MmsError as error:
            return problem(502 if error.status == NO_ANSWER else 500, "ModelFailed", error.message)
        return answer_of(answer)
