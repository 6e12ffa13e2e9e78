"""The management surface: is the endpoint well, which models are here, load one, let one go.

Speaks of target models only; the names and addresses the model server uses stay inside. Times are
ISO-8601 in UTC, sizes bytes, durations seconds.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from mme.core.errors import InvalidRequest
from mme.gateway.runtime import read_body

if TYPE_CHECKING:
    from mme.residency import ModelView, Residency

PING_TIMEOUT_S = 0.9
PING_TRIES = 2
PAGE_LENGTH = 100
PAGE_LENGTH_LIMIT = 1000
BODY_LIMIT_BYTES = 64 * 1024


class Management:
    """Handlers of the management routes."""

    def __init__(self, residency: Residency) -> None:
        self._residency = residency

    def routes(self) -> list[web.RouteDef]:
        """The routes of this surface."""
        return [
            web.get("/ping", self.ping, allow_head=True),
            web.get("/models", self.list_models),
            web.post("/models", self.load_model),
            web.get("/models/{target:.+}", self.describe_model),
            web.delete("/models/{target:.+}", self.unload_model),
        ]

    async def ping(self, _: web.Request) -> web.Response:
        """200 if the model server answers now, within the 2 s the platform gives; else 503."""
        for _try in range(PING_TRIES):
            if await self._residency.is_ready(PING_TIMEOUT_S):
                return web.json_response({"status": "Healthy"})
        return web.json_response({"status": "Unhealthy"}, status=503)

    async def list_models(self, request: web.Request) -> web.Response:
        """One page of models in the order of their names.

        The token is the name the last page ended with, so models that come or go meanwhile neither
        repeat nor hide others.
        """
        limit = _limit(request.query.get("limit"))
        after = _decode_token(request.query.get("next_page_token"))
        views = [view for view in self._residency.models() if view.target > after]
        page: dict[str, object] = {"models": [_as_json(view) for view in views[:limit]]}
        if len(views) > limit:
            page["nextPageToken"] = _encode_token(views[limit - 1].target)
        return web.json_response(page)

    async def describe_model(self, request: web.Request) -> web.Response:
        """One model that is loaded or on disk."""
        return web.json_response(_as_json(self._residency.describe(request.match_info["target"])))

    async def load_model(self, request: web.Request) -> web.Response:
        """Load a target model now: `{"target_model": "de/DocSim.tar.gz"}`."""
        target = _target_in(await read_body(request, BODY_LIMIT_BYTES))
        request["outcome"] = f"load {target}"
        return web.json_response(_as_json(await self._residency.load(target)))

    async def unload_model(self, request: web.Request) -> web.Response:
        """Let a target model go; it stays on disk. Returns when it is out of memory."""
        target = request.match_info["target"]
        request["outcome"] = f"unload {target}"
        await self._residency.unload(target)
        return web.json_response({"target_model": target, "status": "unloaded"})


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
    if view.details:
        content["model"] = dict(view.details)
    return {key: value for key, value in content.items() if value is not None}


def _iso(wall_s: float | None) -> str | None:
    if wall_s is None:
        return None
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE_LENGTH
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= PAGE_LENGTH_LIMIT):
        raise InvalidRequest(f"limit={text!r} is not a number from 1 to {PAGE_LENGTH_LIMIT}")
    return int(text)


def _encode_token(target: str) -> str:
    return base64.urlsafe_b64encode(target.encode("utf-8", "surrogateescape")).decode("ascii")


def _decode_token(token: str | None) -> str:
    if token is None:
        return ""
    try:
        return base64.urlsafe_b64decode(token.encode("ascii")).decode("utf-8", "surrogateescape")
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidRequest(f"next_page_token={token!r} was not given out here") from None


def _target_in(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequest('The body is not JSON; send {"target_model": "NAME"}') from None
    target = content.get("target_model") if isinstance(content, dict) else None
    if not isinstance(target, str):
        raise InvalidRequest('The body names no model; send {"target_model": "NAME"}')
    return target
