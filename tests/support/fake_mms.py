"""A model server without Java: the calls the gateway makes, on a Unix socket, with fake workers.

Passes the same suite as the real one (`tests/support/mms_contract.py`). A worker is a `FakeWorker`
behind a door, with a process of its own that does nothing: what the kernel says of a process - that
it is gone, or stopped - and what a signal does to it hold for the worker too.

What comes of a start is told by a file `start` in the folder the worker is for (`Start`).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, cast

from aiohttp import web

from mme.core.door import Question
from mme.core.through_mms import (
    ANSWER_LIMIT,
    CONTENT_TYPE,
    MODEL,
    MODEL_DIR,
    OURS,
    SCRATCH_DIR,
    answer_headers,
)
from mme.mms.client import MmsClient
from mme.supervise import until_gone
from tests.support.fake_worker import FakeWorker, Manner

if TYPE_CHECKING:
    from pathlib import Path

    from mme.mms import MmsServer

PAGE_LENGTH = 100
BODY_LIMIT_BYTES = 64 * 1024 * 1024


class Start(enum.StrEnum):
    """What comes of a start, in the words of the file `start`."""

    FAILS = "fails"
    """The handler raises; it leaves a report."""
    NO_ROOM = "no room"
    """The handler finds too little memory; it leaves a report too."""
    DIES = "dies"
    """The worker ends, and nobody knows why."""
    HANGS = "hangs"
    """It is not heard of again until `FakeMms.let_go` is set."""


REPORT = {"type": "ArtifactError", "message": "it is not one of ours", "status": 500}
NO_ROOM_REPORT = {"type": "MemoryError", "message": "no room", "status": 507}


@dataclass(frozen=True)
class Places:
    """Where a model server listens and its workers leave signs."""

    socket: Path
    report_dir: Path


@dataclass(eq=False)
class Placed:
    """A worker and the process that stands for it."""

    worker: FakeWorker
    process: subprocess.Popen[bytes]
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def is_there(self) -> bool:
        return not self.worker.dead.is_set()

    async def live(self) -> None:
        """Return when either has ended, with the other."""
        process = asyncio.create_task(until_gone(self.process.pid))
        worker = asyncio.create_task(self.worker.dead.wait())
        try:
            await asyncio.wait({process, worker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            process.cancel()
            worker.cancel()
            self.process.kill()
            self.process.wait()
            await self.stack.aclose()


class FakeMms:
    """A model server below `root` while its context lasts."""

    def __init__(self, root: Path, doors: Path, *, generation: int = 1, most: int = 1000) -> None:
        self.config = Places(root / "api.sock", root / "loads")
        self.doors = doors
        self.generation = generation
        self.most = most
        """Models a worker keeps."""
        self.client = MmsClient(self.config.socket)
        self.has_ended = False
        self.manner = Manner.ANSWER
        """Of workers that come from now on."""
        self.manners: dict[str, Manner] = {}
        """Of all workers, by model."""
        self.by_body: dict[bytes, Manner] = {}
        """What is done with questions of these bodies."""
        self.orders: list[tuple[str, str]] = []
        """Names and folders of all workers ordered so far."""
        self.outcomes: dict[str, list[Start]] = {}
        """What comes of the next starts for a folder; then what its file says."""
        self.let_go = asyncio.Event()
        self._placed: dict[str, Placed | None] = {}
        self._lives: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    def as_server(self) -> MmsServer:
        """Itself, for those that take the real one."""
        return cast("MmsServer", self)

    @property
    def pids(self) -> list[int]:
        """The processes of those that are there."""
        return [each.hello.pid for each in self.workers]

    @property
    def workers(self) -> list[FakeWorker]:
        """Those that are there."""
        return [each.worker for each in self._placed.values() if each and each.is_there]

    async def __aenter__(self) -> Self:
        self.config.report_dir.mkdir(parents=True)
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.add_routes(
            [
                web.get("/ping", self._ping),
                web.get("/models", self._list),
                web.post("/models", self._start),
                web.delete("/models/{name}", self._end),
                web.post("/models/{name}/invoke", self._invoke),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.0)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.config.socket)).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()
        await self.client.close()

    async def end(self) -> None:
        """End with all workers, as the real one does when it dies."""
        self.has_ended = True
        self.let_go.set()
        if self._runner is not None and self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        for placed in self._placed.values():
            if placed is not None:
                placed.process.kill()
        await asyncio.gather(*self._lives, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def register(self, names: list[str]) -> None:
        """Know these names, as those of workers that are about to start."""
        self._placed |= dict.fromkeys(names)

    async def _ping(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "Healthy"})

    async def _list(self, request: web.Request) -> web.Response:
        begin = int(request.query.get("next_page_token", "0"))
        end = begin + int(request.query.get("limit", PAGE_LENGTH))
        names = sorted(self._placed)
        page: dict[str, object] = {
            "models": [{"modelName": name, "modelUrl": "."} for name in names[begin:end]]
        }
        if end < len(names):
            page["nextPageToken"] = str(end)
        return web.json_response(page)

    async def _start(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        name, folder = asked["model_name"], self.config.socket.parent / asked["url"]
        self.orders.append((name, asked["url"]))
        if name in self._placed:
            return failure(409, f"Model {name} is already registered.")
        if not folder.is_dir():
            return failure(404, f"Model not found in model store: {folder}")
        self._placed[name] = None
        start = self._outcome(folder)
        if start is Start.HANGS:
            await self.let_go.wait()
        if self.has_ended:
            return failure(500, "Failed to start")
        placed = await self._place(name)
        if start in (Start.FAILS, Start.NO_ROOM):
            report = NO_ROOM_REPORT if start is Start.NO_ROOM else REPORT
            (self.config.report_dir / f"{name}.json").write_text(json.dumps(report))
        if start is None or start is Start.HANGS:
            return web.json_response({"status": "Workers scaled"})
        # The kernel is quicker than the model server to know of an end.
        placed.process.kill()
        await placed.worker.ended()
        self._sign(name, "ended", "")
        await asyncio.sleep(0)
        return (
            failure(507, "No room") if start is Start.NO_ROOM else failure(500, "Failed to start")
        )

    def _outcome(self, folder: Path) -> Start | None:
        if outcomes := self.outcomes.get(str(folder)):
            return outcomes.pop(0)
        told = folder / "start"
        return Start(told.read_text()) if told.exists() else None

    async def _place(self, name: str) -> Placed:
        process = stand_in()
        worker = FakeWorker(
            self.doors / name, pid=process.pid, generation=self.generation, most=self.most
        )
        worker.manner, worker.manners, worker.by_body = self.manner, self.manners, self.by_body
        placed = self._placed[name] = Placed(worker, process)
        await placed.stack.enter_async_context(worker)
        self._sign(name, "forked", str(process.pid))
        self._sign(name, "connected", "")
        life = asyncio.create_task(placed.live())
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        return placed

    def _sign(self, name: str, ending: str, text: str) -> None:
        if self.config.report_dir.is_dir():
            (self.config.report_dir / f"{name}.{ending}").write_text(text)

    async def _end(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._placed:
            return failure(404, f"Model not found: {name}")
        placed = self._placed.pop(name)
        if placed is not None:
            placed.process.kill()
            await placed.worker.ended()
        return web.json_response({"status": f'Model "{name}" unregistered'})

    async def _invoke(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._placed:
            return failure(404, f"Model not found: {name}")
        placed = self._placed[name]
        if placed is None or not placed.is_there:
            return failure(503, f"No worker is available to serve request: {name}")
        asked = await question_of(request)
        answering = asyncio.create_task(placed.worker.answered(asked))
        dying = asyncio.create_task(placed.worker.dead.wait())
        await asyncio.wait({answering, dying}, return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if not answering.done() or answering.exception() is not None:
            answering.cancel()
            placed.worker.dead.set()
            return failure(500, "Worker died.")
        answer = answering.result()
        said = answer_headers(answer.load_s, answer.is_unloadable, answer.dropped)
        return web.Response(
            status=answer.status, body=answer.body, headers={**answer.headers, **said}
        )


def stand_in() -> subprocess.Popen[bytes]:
    """A process that does nothing."""
    return subprocess.Popen(["sleep", "1000"])


async def question_of(request: web.Request) -> Question:
    """What `mme.core.through_mms.request_headers` was given."""
    headers = {
        name: value
        for name, value in request.headers.items()
        if not name.lower().startswith(OURS) and name.lower() != "content-type"
    }
    content_type = request.headers.get(CONTENT_TYPE)
    limit = request.headers.get(ANSWER_LIMIT)
    return Question(
        request.headers.get(MODEL, ""),
        request.headers.get(MODEL_DIR, ""),
        request.headers.get(SCRATCH_DIR, ""),
        ({"content-type": content_type} if content_type else {}) | headers,
        await request.read(),
        None if limit is None else int(limit),
    )


def failure(status: int, message: str) -> web.Response:
    """An error of the model server's own."""
    body = {"code": status, "type": "SomeException", "message": message}
    return web.json_response(body, status=status)
