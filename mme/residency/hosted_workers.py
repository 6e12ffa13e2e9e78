"""The workers of hosted models: one started, one ended, in the model server of the moment.

Waits while there is no model server, and starts again what was starting when it ended. Which models
there are, and which come back, is `hosted.py`'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.cache import CachedArtifact
from mme.core.errors import LoadFailed
from mme.core.names import model_name
from mme.mms import NO_ANSWER
from mme.residency.registering import Registrar
from mme.residency.worker import Worker
from mme.supervise import until_gone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mme.core.settings import Settings
    from mme.mms import MmsServer
    from mme.residency.table import Model
    from mme.residency.tasks import Tasks

log = logging.getLogger(__name__)

ATTEMPTS = 3
END_TIMEOUT_S = 5.0
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker that answers, and the model server it is in."""

    server: MmsServer
    server_name: str
    worker: Worker
    since_s: float
    """The event loop's time."""


class HostedWorkers:
    """Starts and ends workers. The event loop owns it."""

    def __init__(self, settings: Settings, tasks: Tasks) -> None:
        self._registrar = Registrar(settings, tasks)
        self._slots = asyncio.Semaphore(settings.parallel_loads)
        self._server: MmsServer | None = None
        self._up = asyncio.Event()

    def attach(self, server: MmsServer) -> None:
        """Use this model server, which has no workers yet."""
        self._server = server
        self._up.set()

    def detach(self) -> None:
        """The model server is gone, and every worker with it."""
        self._server = None
        self._up.clear()

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the model server answers within `timeout_s`; waits for one that is starting."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
                return self._server is not None and await self._server.client.ping(timeout_s)
        except TimeoutError:
            return False

    async def start(
        self, artifact: CachedArtifact, on_death: Callable[[Serving], None], pause_s: float = 0.0
    ) -> Serving:
        """A worker for `artifact`, after a pause. Raises LoadFailed."""
        await asyncio.sleep(pause_s)
        server, loaded = await self._load(artifact)
        worker = Worker(artifact.target, loaded.pid, lambda: on_death(serving))
        now_s = asyncio.get_running_loop().time()
        serving = Serving(server, loaded.server_name, worker, now_s)
        log.info("loaded %s as %s", artifact.target, loaded.server_name)
        return serving

    async def end(self, serving: Serving) -> None:
        """Take a worker out; returns when it is gone and what it had is free."""
        await self._registrar.forget(serving.server_name, serving.server.client)
        if serving.worker.pid is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until_gone(serving.worker.pid), END_TIMEOUT_S)

    async def _load(self, artifact: CachedArtifact) -> tuple[MmsServer, Model]:
        for attempt in itertools.count(1):
            async with self._slots:
                await self._up.wait()
                server = self._server
                assert server is not None  # noqa: S101 - the event says so
                try:
                    loaded = await self._registrar.load(
                        artifact, server.client, server.config.report_dir
                    )
                except LoadFailed as error:
                    if error.status != NO_ANSWER or attempt == ATTEMPTS:
                        raise
                else:
                    if server is self._server:
                        return server, loaded
        raise AssertionError  # the count does not end


def artifact_in(folder: Path, name: str) -> CachedArtifact:
    """A folder as what is loaded; its name inside fits an address and a file name."""
    plain = name if _PLAIN_NAME.fullmatch(name) else model_name(name, "")
    return CachedArtifact(
        name=plain,
        target=name,
        version="",
        archive_bytes=0,
        unpacked_bytes=0,
        model_dir=folder,
        fetched_at=0.0,
    )
