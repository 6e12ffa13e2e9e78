"""The calls of the protocol about the server and its models, and what of Triton's is not there.

A model is ready when it is in a worker's memory; one that is not comes in with its first request
all the same. Metadata bring a model to this disk, not into memory.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from mme.core.errors import BodyRefused, NotLoaded, PayloadTooLarge
from mme.gateway.errors import JSON, json_answer
from mme.gateway.headers import CONTENT_TYPE
from mme.gateway.open_inference.errors import error_answer, json_in
from mme.gateway.open_inference.inference import FAILURE, TAG
from mme.gateway.open_inference.names import check_site, target_in
from mme.gateway.open_inference.views import (
    config_json,
    index_json,
    metadata_json,
    server_json,
    statistics_json,
    tensors_of,
)
from mme.gateway.openapi import Body, Result, described
from mme.gateway.openapi.schemas import FLAG, array_of, ref, thing
from mme.gateway.reply import is_success
from mme.residency.views import State

if TYPE_CHECKING:
    from mme.gateway.engine import Observable, Standalone
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

    class Engine(Standalone, Observable, Protocol):
        """What these calls ask."""


SIGNATURE_TYPE = "application/vnd.mme.signature+json"
READY_TIMEOUT_S = 0.9
BODY_LIMIT_BYTES = 1024 * 1024
"""Small files for a model are read, to be refused by their names."""
PAGE = 1000
MOST_COUNTED = 1000
"""So many models, those used last, are in the statistics of all."""
NOT_READY = 400
OVERRIDES = ("config", "file:")


class Repository:
    """Handlers of the routes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("GET", "/v2", self.server),
            ("GET", "/v2/health/live", self.live),
            ("GET", "/v2/health/ready", self.ready),
            ("GET", "/v2/models/stats", self.all_statistics),
            ("GET", "/v2/models/{target...}", self.metadata),
            ("GET", "/v2/models/{target...}/ready", self.is_ready),
            ("GET", "/v2/models/{target...}/config", self.config),
            ("GET", "/v2/models/{target...}/stats", self.statistics),
            ("POST", "/v2/repository/index", self.index),
            ("POST", "/v2/repository/models/{target...}/load", self.load),
            ("POST", "/v2/repository/models/{target...}/unload", self.unload),
        ]

    @described(Result("The server.", ref("InferenceServer")), failure=FAILURE, tag=TAG)
    async def server(self, _: Call) -> web.Response:
        """Its name, its version and the extensions it has."""
        return json_answer(server_json())

    @described(Result("It lives."), failure=FAILURE, tag=TAG)
    async def live(self, _: Call) -> web.Response:
        """The process answers."""
        return web.Response()

    @described(Result("Requests can be answered."), failure=FAILURE, tag=TAG)
    async def ready(self, _: Call) -> web.Response:
        """Whether requests can be answered now; 503: they cannot."""
        if await self._engine.is_ready(READY_TIMEOUT_S):
            return web.Response()
        return error_answer("Requests cannot be answered now", 503)

    @described(
        Result("The model.", ref("InferenceModel")), failures=(504, 507), failure=FAILURE, tag=TAG
    )
    async def metadata(self, call: Call) -> web.Response:
        """The inputs a model takes and the outputs it gives; it comes to this disk for it."""
        target = target_in(call)
        return json_answer(metadata_json(target, await self._tensors(target)))

    @described(
        Result("The model.", ref("InferenceConfig")), failures=(504, 507), failure=FAILURE, tag=TAG
    )
    async def config(self, call: Call) -> web.Response:
        """The same as Triton's ModelConfig."""
        target = target_in(call)
        return json_answer(config_json(target, await self._tensors(target)))

    @described(Result("It is in memory."), failure=FAILURE, tag=TAG)
    async def is_ready(self, call: Call) -> web.Response:
        """Whether a model is in a worker's memory; 400: it is not."""
        target = target_in(call)
        view = await self._engine.describe(target)
        if view.state is State.READY:
            return web.Response()
        message = (
            f"Model {target!r} is {view.state.value}: a request to it, or a load, brings it in"
        )
        return error_answer(message, NOT_READY)

    @described(Result("Its counts.", ref("InferenceStatistics")), failure=FAILURE, tag=TAG)
    async def statistics(self, call: Call) -> web.Response:
        """What a model has done since the endpoint's start."""
        view = await self._engine.describe(target_in(call))
        counted = self._engine.observed.statistics.of(view.target)
        return json_answer({"model_stats": [statistics_json(view.target, counted)]})

    @described(Result("Their counts.", ref("InferenceStatistics")), failure=FAILURE, tag=TAG)
    async def all_statistics(self, _: Call) -> web.Response:
        """What models have done since the endpoint's start: those used last."""
        used = itertools.islice(self._engine.observed.statistics.used_since(0), MOST_COUNTED)
        return json_answer({"model_stats": [statistics_json(each.target, each) for each in used]})

    @described(
        Result("All models.", array_of(ref("InferenceIndexEntry"))),
        body=Body(thing({"ready": FLAG}, "ready", is_open=True), is_required=False),
        failures=(413,),
        failure=FAILURE,
        tag=TAG,
    )
    async def index(self, call: Call) -> web.Response:
        """The models that are here or in the store; with `ready`, those in memory."""
        check_site(call.request.headers)
        is_ready = (await _object_in(call)).get("ready", False)
        if not isinstance(is_ready, bool):
            raise BodyRefused("ready must be true or false")
        states = (State.READY,) if is_ready else ()
        pieces, after = [], ""
        while True:
            page = await self._engine.listing(after, PAGE, "", states)
            lines = [index_json(view) for view in page.views]
            if lines:
                pieces.append(json.dumps(lines, ensure_ascii=False)[1:-1])
            after = page.next_after
            if not after:
                break
        body = f"[{', '.join(pieces)}]".encode("utf-8", "replace")
        return web.Response(body=body, content_type=JSON)

    @described(
        Result("It is in memory."),
        body=Body({"type": "object"}, is_required=False),
        failures=(413, 504, 507),
        failure=FAILURE,
        tag=TAG,
    )
    async def load(self, call: Call) -> web.Response:
        """Bring a model into memory."""
        target = target_in(call)
        parameters = (await _object_in(call)).get("parameters") or {}
        for name in parameters if isinstance(parameters, dict) else ():
            if name.startswith(OVERRIDES):
                raise BodyRefused(
                    f"The parameter {name[:60]!r} is not possible: a model is loaded as its"
                    " artifact is"
                )
        call.note = f"load {target}"
        await self._engine.load(target)
        return web.Response()

    @described(
        Result("It is out of memory."),
        body=Body({"type": "object"}, is_required=False),
        failures=(413,),
        failure=FAILURE,
        tag=TAG,
    )
    async def unload(self, call: Call) -> web.Response:
        """Have a model leave memory, if it is there; it stays on disk."""
        target = target_in(call)
        await _object_in(call)
        call.note = f"unload {target}"
        try:
            await self._engine.unload(target)
        except NotLoaded:
            await self._engine.describe(target)  # raises for what is no model
        return web.Response()

    async def _tensors(self, target: str) -> dict[str, Any]:
        details = await self._engine.details(target)
        if "tensors" in details:
            return tensors_of(target, details["tensors"])
        # It was admitted by an mme that asked models nothing of the kind, or has none.
        answer = await self._engine.invoke(target, {str(CONTENT_TYPE): SIGNATURE_TYPE}, b"")
        return tensors_of(target, json_in(answer.body) if is_success(answer) else None)


async def _object_in(call: Call) -> dict[str, Any]:
    """The object in the body, empty if there is none. Raises BodyRefused."""
    try:
        body = await call.body(BODY_LIMIT_BYTES)
    except PayloadTooLarge as error:
        raise PayloadTooLarge(error.limit_bytes, "a call about models") from None
    if not body:
        return {}
    content = json_in(body)
    if not isinstance(content, dict):
        raise BodyRefused("The body must be an object of JSON")
    return content
