"""Engines without models, for the gateway's surfaces: they answer as a test tells them to.

One class serves each protocol of `mme.gateway.engine`; what was asked is kept, and a test may let
every request fail, or wait until it says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from mme.core import answer
from mme.core.errors import AlreadyLoaded, NotLoaded
from mme.core.terms import PLAIN
from mme.gateway import runner_of
from mme.residency.observed import Observed
from mme.residency.sample_requests import SampleRequest
from mme.residency.views import ModelPage, ModelView, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from mme.core.terms import Terms
    from mme.residency.views import AliasView


@dataclass(frozen=True, slots=True)
class Answer(answer.Answer):
    """A model's answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    body: bytes = b'["ok"]'
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the engine got it."""

    model: str
    headers: Mapping[str, str]
    body: bytes


def view(target: str, state: str = "ready", **facts: Any) -> ModelView:
    """What a model looks like that has only these facts."""
    return ModelView(target=target, state=State(state), **facts)


class FakeEngine:
    """What all engines have: an answer for every request."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.pieces: list[bytes] = []
        """What is passed on before the answer, where it is wanted in parts."""
        self.flow = FakeFlow()
        self.failure: Exception | None = None
        """What every call raises."""
        self.is_up = True
        self.is_hanging = False
        """Requests get no answer until `release` is set."""
        self.release = asyncio.Event()
        self.begun = asyncio.Event()
        """Set when a request has come."""
        self.cancelled = asyncio.Event()
        """Set when a request was given up."""
        self.asked: list[Asked] = []
        self.pings = 0

    async def is_ready(self, timeout_s: float) -> bool:
        assert 0 < timeout_s < 2
        self.pings += 1
        return self.is_up

    async def ask(
        self, model: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request."""
        self.asked.append(Asked(model, dict(headers), body))
        if terms.parts is not None:
            terms.parts.target, terms.parts.version = self.answer.target, self.answer.version
            for piece in self.pieces:
                terms.parts.put(piece, self.answer.headers, self.flow)
        self.begun.set()
        if self.is_hanging:
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        self.fail()
        return self.answer

    def fail(self) -> None:
        """Raise what every call raises, if anything."""
        if self.failure is not None:
            raise self.failure


class FakeFlow:
    """Where pieces come from."""

    is_paused = False

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


class FakeStandalone(FakeEngine):
    """Target models; all but those in `views` are unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.views: dict[str, ModelView] = {}
        self.aliases: list[AliasView] = []
        self.store_error = ""
        self.terms = PLAIN
        """Of the last request."""
        self.observed = Observed()

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        self.terms = terms
        return await self.ask(target, headers, body, terms)

    async def load(self, target: str) -> ModelView:
        self.fail()
        return self.views.setdefault(target, view(target))

    async def unload(self, target: str) -> None:
        self.fail()
        self._view(target)
        del self.views[target]

    async def listing(
        self, after: str, limit: int, prefix: str = "", states: Collection[State] = ()
    ) -> ModelPage:
        targets = [
            target
            for target, each in sorted(self.views.items())
            if target > after and target.startswith(prefix) and (not states or each.state in states)
        ]
        views = [self.views[target] for target in targets[:limit]]
        return ModelPage(views, views[-1].target if len(targets) > limit else "", self.store_error)

    async def sample(self, target: str) -> SampleRequest:
        self._view(target)
        return SampleRequest("text/plain", "a text")

    def alias_page(self, after: str, limit: int) -> tuple[list[AliasView], bool]:
        following = [view for view in self.aliases if view.alias > after]
        return following[:limit], len(following) > limit

    async def describe(self, target: str) -> ModelView:
        return self._view(target)

    async def details(self, target: str) -> Mapping[str, object]:
        self.fail()
        return self._view(target).details

    def pin(self, target: str) -> ModelView:
        self.fail()
        self.views[target] = replace(self._view(target), pinned=True)
        return self.views[target]

    def unpin(self, target: str) -> ModelView:
        self.fail()
        self.views[target] = replace(self._view(target), pinned=False)
        return self.views[target]

    def _view(self, target: str) -> ModelView:
        if target not in self.views:
            raise NotLoaded(target)
        return self.views[target]


class FakePlatform(FakeEngine):
    """Models with the names a platform gave them."""

    def __init__(self) -> None:
        super().__init__()
        self.folders: dict[str, Path] = {}

    def check(self, name: str) -> None:
        self.folder(name)

    async def invoke(
        self, name: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        self.folder(name)
        return await self.ask(name, headers, body, terms)

    def check_target(self, target: str) -> None:
        self.folder(target)

    async def invoke_target(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        return await self.invoke(target, headers, body, terms)

    async def load(self, name: str, url: str) -> None:
        self.fail()
        if name in self.folders:
            raise AlreadyLoaded(name)
        self.folders[name] = Path(url)

    async def unload(self, name: str) -> None:
        self.folder(name)
        del self.folders[name]

    def page(self, after: str, limit: int) -> tuple[list[tuple[str, Path]], bool]:
        names = [name for name in sorted(self.folders) if name > after]
        return [(name, self.folders[name]) for name in names[:limit]], len(names) > limit

    def folder(self, name: str) -> Path:
        if name not in self.folders:
            raise NotLoaded(name)
        return self.folders[name]


class FakeSole(FakeEngine):
    """The one model."""

    workers = 3

    async def invoke(self, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN) -> Answer:
        return await self.ask("model", headers, body, terms)


async def until(is_so: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Return when something is so that has no event of its own."""
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Served:
    """A server that listens, and a client of it."""

    url: str
    port: int
    client: aiohttp.ClientSession

    async def raw(self, request: bytes, *, half_closed: bool = False) -> bytes:
        """Everything that is answered to these bytes, which must end the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            if half_closed:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionResetError):  # it has answered, and read no more
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def served(server: web.Server, drain_timeout_s: float = 1.0) -> AsyncIterator[Served]:
    """Serve on a port of this machine inside the block."""
    runner = runner_of(server, drain_timeout_s)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = int(runner.addresses[0][1])
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(url) as client:
            yield Served(url, port, client)
    finally:
        await runner.cleanup()
