"""`GET /openapi.json`: the description of the interface, made when it is asked for first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mme.gateway.openapi.describing import JSON, Result, described
from mme.gateway.openapi.document import document_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mme.gateway.exchange import Call
    from mme.gateway.openapi.describing import Schema
    from mme.gateway.routing import Route


class OpenApi:
    """Describes `routes` and its own."""

    def __init__(
        self,
        routes: Iterable[Route],
        version: str,
        schemas: Callable[[], Mapping[str, Schema]] = dict,
    ) -> None:
        """`schemas`: those that descriptions refer to, beside the management's."""
        self._routes = [*routes, *self.routes()]
        self._version = version
        self._schemas = schemas
        self._body = b""

    def routes(self) -> list[Route]:
        """The route of this surface."""
        return [("GET", "/openapi.json", self.get)]

    def document(self) -> dict[str, Any]:
        """The description itself."""
        return document_of(self._routes, self._version, self._schemas())

    @described(Result("This description.", {"type": "object"}), tag="health")
    async def get(self, _: Call) -> web.Response:
        """The description of this interface."""
        if not self._body:
            self._body = json.dumps(self.document(), ensure_ascii=False).encode()
        return web.Response(body=self._body, content_type=JSON)
