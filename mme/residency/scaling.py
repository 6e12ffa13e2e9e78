"""More workers for hot models, fewer again when they cool: a rule, and the shell that follows it.

A model is as hot as requests to it are under way, averaged over the last second or two. A further
worker never makes another model leave: it comes only where there is room to spare, and goes first
when memory gets short.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from mme.core.errors import LoadFailed
from mme.residency.crew import Member
from mme.residency.table import Model, State
from mme.residency.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.cache import CachedArtifact
    from mme.residency.crew import Crew
    from mme.residency.loading import Loader
    from mme.residency.registering import Registrar
    from mme.residency.resident import Residents
    from mme.residency.room import Room
    from mme.residency.tasks import Tasks

log = logging.getLogger(__name__)

SCALE_CHECK_S = 0.25
NEWEST_SHARE = 0.2
"""Weight of the newest look in the average: about a second's worth of looks."""
BUSY, IDLE = 1.5, 0.5
"""Requests under way per worker above which one more comes, and below which one goes."""
STAY_S = 10.0
"""How long a further worker stays at least."""
COLD = 0.01


def wanted_workers(load: float, workers: int, most: int) -> int:
    """How many workers a model with `load` requests under way on average shall have.

    One step at a time. The two thresholds lie apart, so that it does not swing.
    """
    if load > BUSY * workers and workers < most:
        return workers + 1
    if workers > 1 and load < IDLE * (workers - 1):
        return workers - 1
    return min(workers, max(1, most))


class Scaler:
    """Watches how busy models are and lets workers come and go."""

    def __init__(
        self,
        most: int,
        residents: Residents,
        room: Room,
        *,
        loader: Loader,
        registrar: Registrar,
        tasks: Tasks,
        artifact_of: Callable[[str], CachedArtifact | None],
    ) -> None:
        self._most = most
        self._loader = loader
        self._registrar = registrar
        self._residents = residents
        self._room = room
        self._tasks = tasks
        self._artifact_of = artifact_of
        self._loads: dict[str, float] = {}

    def step(self) -> None:
        """Look at every model; call it every `SCALE_CHECK_S`."""
        loads, now_s = self._loads, time.monotonic()
        self._loads = {}
        for model in self._residents.table:
            load = loads.get(model.name, 0.0)
            load += NEWEST_SHARE * (model.in_flight - load)
            crew = self._residents.crews.get(model.name)
            if crew is None or (load < COLD and len(crew) == 1):
                continue
            self._loads[model.name] = load
            if model.state is not State.READY or crew.change is not None:
                continue
            wanted = wanted_workers(load, len(crew), self._most)
            if wanted > len(crew) and self._room.has_spare(model):
                crew.change = self._tasks.start(self._grow(model, crew))
            elif wanted < len(crew) and now_s - crew.changed_at_s > STAY_S:
                crew.change = self._tasks.start(self._shrink(crew))

    def shed(self) -> bool:
        """Let all further workers go, since memory is short; False if there are none."""
        found = False
        for crew in self._residents.crews.values():
            if len(crew) > 1:
                found = True
                if crew.change is None:
                    crew.change = self._tasks.start(self._shrink(crew))
        return found

    async def _grow(self, model: Model, crew: Crew) -> None:
        server, artifact = self._residents.server, self._artifact_of(model.name)
        promise = f"{model.name} once more"
        try:
            if artifact is None or server is None:
                return
            self._room.promise(promise, self._room.needed(model.name, model.unpacked_bytes))
            try:
                loaded = await self._registrar.load(
                    artifact, server.client, server.config.report_dir
                )
                own_bytes = await self._loader.in_thread(lambda: self._room.cost(loaded))
            finally:
                self._room.kept(promise)
            if self._residents.server is not server:
                return
            if self._residents.crews.get(model.name) is not crew:
                await self._registrar.forget(loaded.server_name, server.client)
                return
            member: Member

            def died() -> None:
                self._tasks.start(self._bury(model, crew, member))

            worker = Worker(model.target, loaded.pid, died)
            member = Member(loaded.server_name, worker, own_bytes)
            crew.join(member)
            log.info("%s is hot: it has %d workers now", model.target, len(crew))
        except LoadFailed as error:
            log.warning("no further worker for %s: %s", model.target, error.message)
        finally:
            crew.changed_at_s = time.monotonic()
            crew.change = None

    async def _shrink(self, crew: Crew) -> None:
        try:
            member = crew.leave()
            server = self._residents.server
            if member is not None and server is not None:
                await member.idle.wait()
                crew.drop(member)
                await self._registrar.forget(member.name, server.client)
                log.info("%s is not needed any more", member.name)
        finally:
            crew.change = None

    async def _bury(self, model: Model, crew: Crew, member: Member) -> None:
        log.warning("a further worker of %s died", model.target)
        crew.dismiss(member)
        await member.idle.wait()  # the model server answers who was at it, the others ask again
        crew.drop(member)
        server = self._residents.server
        if server is not None:
            await self._registrar.forget(member.name, server.client)
