"""The management surface: is the endpoint well, which models are here, load one, let one go.

Speaks of target models only; names of versions and workers stay inside. Times are
ISO-8601 in UTC, sizes bytes, durations seconds.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from mme.core.errors import BodyRefused, InvalidRequest, PayloadTooLarge
from mme.core.names import check_target
from mme.gateway.errors import json_answer
from mme.gateway.openapi import Body, Parameter, Result, described
from mme.gateway.openapi.schemas import TEXT, one_of, ref, thing
from mme.gateway.paging import limit_of, name_in, token_of
from mme.gateway.sites import check_json, check_origin
from mme.gateway.views_json import alias_json, model_json
from mme.residency.views import State

if TYPE_CHECKING:
    from aiohttp import web

    from mme.gateway.engine import Standalone
    from mme.gateway.exchange import Call
    from mme.gateway.pipelines import PipelineViews
    from mme.gateway.routing import Route

PING_TIMEOUT_S = 0.9
PING_TRIES = 2
"""Both end within the 2 s that a platform gives."""
BODY_LIMIT_BYTES = 64 * 1024
SHOWN_CHARS = 40
HEALTH, MODELS = "health", "models"
PAGE = (
    Parameter("limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 1000}),
    Parameter("next_page_token", "As the page before has given it."),
)


class Management:
    """Handlers of the management routes."""

    def __init__(self, engine: Standalone, pipelines: PipelineViews) -> None:
        self._engine = engine
        self._pipelines = pipelines

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("GET", "/ping", self.ping),
            ("GET", "/models", self.list_models),
            ("POST", "/models", self.load_model),
            ("GET", "/models/{target...}", self.describe_model),
            ("DELETE", "/models/{target...}", self.unload_model),
            ("PUT", "/models/{target...}/pin", self.pin_model),
            ("DELETE", "/models/{target...}/pin", self.unpin_model),
            ("GET", "/aliases", self.list_aliases),
        ]

    @described(
        Result("Requests can be answered.", thing({"status": TEXT})),
        Result("Requests cannot be answered now.", thing({"status": TEXT}), status=503),
        tag=HEALTH,
    )
    async def ping(self, _: Call) -> web.Response:
        """200 if requests can be answered now; else 503."""
        for _try in range(PING_TRIES):
            if await self._engine.is_ready(PING_TIMEOUT_S):
                return json_answer({"status": "Healthy"})
        return json_answer({"status": "Unhealthy"}, 503)

    @described(
        Result("A page of models.", ref("Models")),
        parameters=(
            *PAGE,
            Parameter("prefix", "How targets begin."),
            Parameter("state", f"Comma list of {', '.join(State)}."),
        ),
        tag=MODELS,
    )
    async def list_models(self, call: Call) -> web.Response:
        """One page of models in the order of their names: those here, and the store's.

        The first has the operator's pipelines as well, unless a state is asked for.
        """
        query = call.request.query
        page = await self._engine.listing(
            name_in(query.get("next_page_token")),
            limit_of(query.get("limit")),
            query.get("prefix", ""),
            _states_in(query.get("state")),
        )
        content: dict[str, object] = {"models": [model_json(view) for view in page.views]}
        if page.next_after:
            content["nextPageToken"] = token_of(page.next_after)
        if page.store_error:
            content["store_error"] = page.store_error
        is_whole = not (query.get("next_page_token") or query.get("state"))
        if is_whole and (listed := await self._pipelines.listed(query.get("prefix", ""))):
            content["pipelines"] = listed
        return json_answer(content)

    @described(Result("A page of aliases.", ref("Aliases")), parameters=PAGE, tag=MODELS)
    async def list_aliases(self, call: Call) -> web.Response:
        """One page of the aliases that were asked for, in the order of their names."""
        query = call.request.query
        limit = limit_of(query.get("limit"))
        views, has_more = self._engine.alias_page(name_in(query.get("next_page_token")), limit)
        page: dict[str, object] = {"aliases": [alias_json(view) for view in views]}
        if has_more:
            page["nextPageToken"] = token_of(views[-1].alias)
        return json_answer(page)

    @described(
        Result("The model, or the pipeline.", one_of(ref("Model"), ref("Pipeline"))),
        failures=(530,),
        tag=MODELS,
    )
    async def describe_model(self, call: Call) -> web.Response:
        """One model that is here or in the store, or a pipeline of the operator's."""
        if call.name in self._pipelines:
            return json_answer(await self._pipelines.view(call.name))
        return json_answer(model_json(await self._engine.describe(call.name)))

    @described(
        Result("It is in memory.", one_of(ref("Model"), ref("Pipeline"))),
        body=Body(thing({"target_model": TEXT}, is_open=True)),
        failures=(404, 413, 415, 424, 530),
        tag=MODELS,
    )
    async def load_model(self, call: Call) -> web.Response:
        """Load a target model now: `{"target_model": "de/DocSim.tar.gz"}`; of a pipeline, all."""
        check_origin(call.request.headers)
        check_json(call.request.headers)
        try:
            body = await call.body(BODY_LIMIT_BYTES)
        except PayloadTooLarge as error:
            raise PayloadTooLarge(error.limit_bytes, "a request to load a model") from None
        target = check_target(_target_in(body))
        call.note = f"load {target}"
        if target in self._pipelines:
            await asyncio.gather(*map(self._engine.load, self._pipelines.models(target)))
            return json_answer(await self._pipelines.view(target))
        return json_answer(model_json(await self._engine.load(target)))

    @described(
        Result("It is out of memory.", thing({"target_model": TEXT, "status": TEXT})), tag=MODELS
    )
    async def unload_model(self, call: Call) -> web.Response:
        """Let a target model go; it stays on disk. Returns when it is out of memory."""
        check_origin(call.request.headers)
        call.note = f"unload {call.name}"
        self._pipelines.check_no_pipeline(call.name)
        await self._engine.unload(call.name)
        return json_answer({"target_model": call.name, "status": "unloaded"})

    @described(Result("It is pinned.", ref("Model")), tag=MODELS)
    async def pin_model(self, call: Call) -> web.Response:
        """Have a model that is here stay in memory once it is there, until the endpoint ends."""
        check_origin(call.request.headers)
        call.note = f"pin {call.name}"
        self._pipelines.check_no_pipeline(call.name)
        return json_answer(model_json(self._engine.pin(call.name)))

    @described(Result("It may leave.", ref("Model")), failures=(409,), tag=MODELS)
    async def unpin_model(self, call: Call) -> web.Response:
        """Let a pinned model leave for others again."""
        check_origin(call.request.headers)
        call.note = f"unpin {call.name}"
        self._pipelines.check_no_pipeline(call.name)
        return json_answer(model_json(self._engine.unpin(call.name)))


def _states_in(text: str | None) -> frozenset[State]:
    """The states of `state=ready,on-disk`. Raises InvalidRequest."""
    names = [part for part in (text or "").split(",") if part]
    try:
        return frozenset(State(name) for name in names)
    except ValueError:
        known = ", ".join(state.value for state in State)
        raise InvalidRequest(f"state={(text or '')[:SHOWN_CHARS]!r} is none of {known}") from None


def _target_in(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise BodyRefused('The body is not JSON; send {"target_model": "NAME"}') from None
    target = content.get("target_model") if isinstance(content, dict) else None
    if not isinstance(target, str):
        raise BodyRefused('The body names no model; send {"target_model": "NAME"}')
    return target
