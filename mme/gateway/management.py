"""The management surface: is the endpoint well, which models are here, load one, let one go.

Speaks of target models only; names of versions and workers stay inside. Times are
ISO-8601 in UTC, sizes bytes, durations seconds.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mme.core.errors import BodyRefused
from mme.core.names import check_target
from mme.gateway.errors import json_answer
from mme.gateway.paging import limit_of, name_in, token_of
from mme.gateway.sites import check_json, check_origin

if TYPE_CHECKING:
    from aiohttp import web

    from mme.gateway.engine import Standalone
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route
    from mme.residency.views import AliasView, ModelView

PING_TIMEOUT_S = 0.9
PING_TRIES = 2
"""Both end within the 2 s that a platform gives."""
BODY_LIMIT_BYTES = 64 * 1024


class Management:
    """Handlers of the management routes."""

    def __init__(self, engine: Standalone) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("GET", "/ping", self.ping),
            ("GET", "/models", self.list_models),
            ("POST", "/models", self.load_model),
            ("GET", "/models/{target...}", self.describe_model),
            ("DELETE", "/models/{target...}", self.unload_model),
            ("GET", "/aliases", self.list_aliases),
        ]

    async def ping(self, _: Call) -> web.Response:
        """200 if requests can be answered now; else 503."""
        for _try in range(PING_TRIES):
            if await self._engine.is_ready(PING_TIMEOUT_S):
                return json_answer({"status": "Healthy"})
        return json_answer({"status": "Unhealthy"}, 503)

    async def list_models(self, call: Call) -> web.Response:
        """One page of models in the order of their names."""
        query = call.request.query
        limit = limit_of(query.get("limit"))
        views, has_more = self._engine.page(name_in(query.get("next_page_token")), limit)
        page: dict[str, object] = {"models": [_as_json(view) for view in views]}
        if has_more:
            page["nextPageToken"] = token_of(views[-1].target)
        return json_answer(page)

    async def list_aliases(self, call: Call) -> web.Response:
        """One page of the aliases that were asked for, in the order of their names."""
        query = call.request.query
        limit = limit_of(query.get("limit"))
        views, has_more = self._engine.alias_page(name_in(query.get("next_page_token")), limit)
        page: dict[str, object] = {"aliases": [_alias_as_json(view) for view in views]}
        if has_more:
            page["nextPageToken"] = token_of(views[-1].alias)
        return json_answer(page)

    async def describe_model(self, call: Call) -> web.Response:
        """One model that is loaded or on disk."""
        return json_answer(_as_json(self._engine.describe(call.name)))

    async def load_model(self, call: Call) -> web.Response:
        """Load a target model now: `{"target_model": "de/DocSim.tar.gz"}`."""
        check_origin(call.request.headers)
        check_json(call.request.headers)
        target = check_target(_target_in(await call.body(BODY_LIMIT_BYTES)))
        call.note = f"load {target}"
        return json_answer(_as_json(await self._engine.load(target)))

    async def unload_model(self, call: Call) -> web.Response:
        """Let a target model go; it stays on disk. Returns when it is out of memory."""
        check_origin(call.request.headers)
        call.note = f"unload {call.name}"
        await self._engine.unload(call.name)
        return json_answer({"target_model": call.name, "status": "unloaded"})


def _as_json(view: ModelView) -> dict[str, object]:
    content: dict[str, object] = {
        "target_model": view.target,
        "state": view.state.value,
        "version": view.version,
        "archive_bytes": view.archive_bytes,
        "unpacked_bytes": view.unpacked_bytes,
        "memory_bytes": view.own_bytes,
        "workers": view.workers,
        "pinned": view.pinned,
        "in_flight": view.in_flight,
        "invocations": view.invocations,
        "load_s": view.load_s,
        "fetched_at": _iso(view.fetched_at),
        "loaded_at": _iso(view.loaded_at),
        "last_used_at": _iso(view.last_used_at),
    }
    if view.aliases:
        content["aliases"] = list(view.aliases)
    if view.details:
        content["model"] = dict(view.details)
    return {key: value for key, value in content.items() if value is not None}


def _alias_as_json(view: AliasView) -> dict[str, object]:
    content: dict[str, object] = {"alias": view.alias, "target_model": view.target}
    if view.wanted != view.target:
        content["wanted"] = view.wanted
        content["state"] = "refused" if view.reason else "loading"
    if view.reason:
        content["reason"] = view.reason
    return content


def _iso(wall_s: float | None) -> str | None:
    if wall_s is None:
        return None
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")


def _target_in(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise BodyRefused('The body is not JSON; send {"target_model": "NAME"}') from None
    target = content.get("target_model") if isinstance(content, dict) else None
    if not isinstance(target, str):
        raise BodyRefused('The body names no model; send {"target_model": "NAME"}')
    return target
