"""The page at `/`: the files a browser gets, and a request to try a model with.

The files are in `page_files/`, read once. What they show they ask for themselves, of the routes
that all clients have, so nothing here knows what a model is. No other site may frame the page, and
it may load nothing from elsewhere and run nothing that is not in these files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from mme.gateway.errors import json_answer
from mme.gateway.openapi import Result, described
from mme.gateway.openapi.describing import ANY_KIND, JSON
from mme.gateway.openapi.schemas import TEXT, thing
from mme.gateway.routing import NoSuchPath

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mme.gateway.engine import Standalone
    from mme.gateway.exchange import Call
    from mme.gateway.pipelines import PipelineViews
    from mme.gateway.routing import Route

FILES = Path(__file__).with_name("page_files")
INDEX = "index.html"
PAGE = "page"
HTML = "text/html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # A newer endpoint has other files: a browser asks each time, and is mostly told 304.
    hdrs.CACHE_CONTROL: "no-cache",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    content_type: str
    tag: str


class Page:
    """Handlers of the page's routes."""

    def __init__(
        self, engine: Standalone, pipelines: PipelineViews, others: Iterable[Route] = ()
    ) -> None:
        """`others` are the routes that a client who wants no HTML is told of."""
        self._engine = engine
        self._pipelines = pipelines
        self._files = {path.name: _read(path) for path in FILES.iterdir() if path.suffix in TYPES}
        self._calls = sorted(f"{method} {path}" for method, path, _ in [*others, *self.routes()])

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("GET", "/", self.index),
            ("GET", "/page/{file}", self.file),
            ("GET", "/models/{target...}/sample", self.sample),
        ]

    @described(
        Result("The page, or the calls there are.", {"type": "object"}, (JSON, HTML)), tag=PAGE
    )
    async def index(self, call: Call) -> web.Response:
        """The page for a browser; for others, the calls there are."""
        if HTML in call.request.headers.get(hdrs.ACCEPT, ""):
            return self._answer(call, INDEX)
        return json_answer({"calls": self._calls}, headers={hdrs.VARY: hdrs.ACCEPT})

    @described(Result("The file.", {}, ANY_KIND), tag=PAGE)
    async def file(self, call: Call) -> web.Response:
        """One of the files that belong to the page. Raises NoSuchPath."""
        if call.name not in self._files:
            raise NoSuchPath(call.request.path)
        return self._answer(call, call.name)

    @described(
        Result("A request to try.", thing({"content_type": TEXT, "body": TEXT}, is_open=True)),
        failures=(424,),
        tag=PAGE,
    )
    async def sample(self, call: Call) -> web.Response:
        """A request to try a model with. Raises NotLoaded while it is not on this disk.

        A pipeline's is that of its first step.
        """
        is_pipeline = call.name in self._pipelines
        name = self._pipelines.first_model(call.name) if is_pipeline else call.name
        sample = await self._engine.sample(name)
        content: dict[str, object] = {"content_type": sample.content_type, "body": sample.body}
        if sample.accept is not None and not is_pipeline:
            content["accept"] = sample.accept
        return json_answer(content | {"is_own": sample.is_own})

    def _answer(self, call: Call, name: str) -> web.Response:
        file = self._files[name]
        headers = {**HEADERS, hdrs.ETAG: file.tag, hdrs.VARY: hdrs.ACCEPT}
        if call.request.headers.get(hdrs.IF_NONE_MATCH) == file.tag:
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = file.content_type
        return web.Response(body=file.content, headers=headers)


def _read(path: Path) -> _File:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:32]
    return _File(content, TYPES[path.suffix], f'"{digest}"')
