"""Bringing models in: one load per target however many wait, a bound side by side, room first."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from mme.core.errors import (
    EndpointError,
    LoadFailed,
    ModelFailed,
    ModelNotReady,
    NoDiskSpace,
    ShuttingDown,
)
from mme.mms import NO_ANSWER
from mme.residency.table import Model, State

if TYPE_CHECKING:
    from mme.cache import CachedArtifact
    from mme.core.settings import Settings
    from mme.mms import MmsServer
    from mme.residency.loading import Loader
    from mme.residency.registering import Registrar
    from mme.residency.resident import Residents
    from mme.residency.room import Room

log = logging.getLogger(__name__)

NO_ROOM = 507
ROOM_POLL_S = 0.05


class Arrivals:
    """The loads under way. All methods run on the event loop that made it."""

    def __init__(
        self,
        settings: Settings,
        loader: Loader,
        registrar: Registrar,
        residents: Residents,
        room: Room,
    ) -> None:
        self._settings = settings
        self._loader = loader
        self._registrar = registrar
        self._residents = residents
        self._room = room
        self._slots = asyncio.Semaphore(settings.parallel_loads)
        self._loads: dict[str, asyncio.Task[Model]] = {}
        self._closed = False
        self.phases: dict[str, State] = {}
        """How far each load has come, by target."""

    async def bring_in(self, target: str) -> Model:
        """The ready model of `target`; waits for the load in progress or starts one.

        Raises what the load raises, ModelNotReady at the deadline, ShuttingDown.
        """
        deadline_s = time.monotonic() + self._settings.ready_timeout_s
        table = self._residents.table
        while True:
            failure = table.failure(target, time.monotonic())
            if failure is not None:
                raise failure
            load = self.start(target)
            # The load is not ours alone: it goes on when we leave.
            done, _ = await asyncio.wait({load}, timeout=max(0.0, deadline_s - time.monotonic()))
            if not done:
                phase = self.phases.get(target, State.LOADING)
                reason = f"still {phase} after {self._settings.ready_timeout_s:g} s"
                raise ModelNotReady(target, reason)
            if load.cancelled():
                raise ShuttingDown
            load.result()
            model = table.ready(target)
            if model is not None:
                return model

    def start(self, target: str) -> asyncio.Task[Model]:
        """The load of `target` that is under way, started if there is none."""
        if self._closed:
            raise ShuttingDown
        load = self._loads.get(target)
        if load is None:
            load = asyncio.create_task(self._load(target), name=f"load {target}")
            self._loads[target] = load
            load.add_done_callback(lambda task: self._ended(target, task))
        return load

    async def settled(self, target: str) -> None:
        """Return when no load of `target` is under way."""
        load = self._loads.get(target)
        if load is not None:
            await asyncio.wait({load})

    async def close(self) -> None:
        """Cancel every load and wait for its end; no new one starts."""
        self._closed = True
        loads = list(self._loads.values())
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)

    def _ended(self, target: str, task: asyncio.Task[Model]) -> None:
        self._loads.pop(target, None)
        self.phases.pop(target, None)
        if not task.cancelled():
            task.exception()  # seen: waiters get it, and nobody may be waiting any more

    async def _load(self, target: str) -> Model:
        residents = self._residents
        self.phases[target] = State.DOWNLOADING
        try:
            async with self._slots:
                artifact = await self._loader.fetch(target)
                try:
                    model, load_s = await self._load_artifact(artifact)
                finally:
                    self._loader.arrived(artifact.name)
        except EndpointError as error:
            log.warning("cannot bring in %s: %s", target, error.message)
            until_s = time.monotonic() + self._settings.failure_memory_s
            residents.table.failed(target, error, until_s)
            raise
        except Exception as error:
            log.exception("cannot bring in %s", target)
            raise ModelFailed(target, NO_ANSWER, f"unforeseen {type(error).__name__}") from error
        residents.arrived(model, load_s)
        log.info("loaded %s as %s in %.3f s", target, model.server_name, load_s)
        await self._loader.discard_other_versions(model)
        return model

    async def _load_artifact(self, artifact: CachedArtifact) -> tuple[Model, float]:
        """Load what is on disk into the model server of the moment, waiting for one if need be."""
        residents = self._residents
        await self._fit_on_disk(artifact)
        await residents.server_up.wait()
        server = residents.server
        assert server is not None  # noqa: S101 - the event says so
        # The same version may still be draining; its name is free only when it is gone.
        await residents.departure(artifact.name)
        return await self._load_into(server, artifact)

    async def _fit_on_disk(self, artifact: CachedArtifact) -> None:
        """Keep the disk cache within its limit, at the cost of idle models if need be."""
        while not await self._loader.fit_on_disk(artifact):
            victim = self._room.least_valuable(self._residents.table)
            if victim is None:
                await self._loader.discard(artifact.name)
                raise NoDiskSpace("the disk cache (MME_CACHE_LIMIT_BYTES)", artifact.target)
            await self._residents.evict(victim)

    async def _load_into(self, server: MmsServer, artifact: CachedArtifact) -> tuple[Model, float]:
        """Make room and load; when there turns out to be none after all, make more and retry."""
        self.phases[artifact.target] = State.WAITING
        await self._make_room(artifact)
        self.phases[artifact.target] = State.LOADING
        try:
            while True:
                began_s = time.monotonic()
                try:
                    model = await self._registrar.load(
                        artifact, server.client, server.config.report_dir
                    )
                except LoadFailed as error:
                    victim = self._room.least_valuable(self._residents.table)
                    if error.status != NO_ROOM or victim is None:
                        raise
                    log.info("there was no room for %s after all", artifact.target)
                    await self._residents.evict(victim)
                else:
                    break
            load_s = round(time.monotonic() - began_s, 4)
            await self._loader.in_thread(lambda: self._room.measure(model))
        finally:
            self._room.kept(artifact.name)
        if server is not self._residents.server:
            reason = "the model server ended while the model was loading"
            raise LoadFailed(artifact.target, NO_ANSWER, reason)
        return model, load_s

    async def _make_room(self, artifact: CachedArtifact) -> None:
        """Return when the artifact is expected to fit, with the room promised to it.

        Raises ModelNotReady if nobody may leave for it in time.
        """
        residents, room = self._residents, self._room
        needed = room.needed(artifact.name, artifact.unpacked_bytes)
        deadline_s = time.monotonic() + self._settings.ready_timeout_s
        while True:
            decision = room.decide(needed, residents.table)
            # Alone, a model that looks too large is tried: the kernel's word counts.
            alone = not any(residents.table) and not room.has_promises
            if decision.fits or alone:
                room.promise(artifact.name, needed)
                await asyncio.gather(*(residents.evict(victim) for victim in decision.leave))
                return
            if time.monotonic() > deadline_s:
                reading = room.reading()
                raise ModelNotReady(
                    artifact.target,
                    f"it needs about {needed >> 20} MiB, {reading.used_bytes >> 20} of"
                    f" {reading.limit_bytes >> 20} MiB are used and no loaded model may leave",
                )
            await asyncio.sleep(ROOM_POLL_S)
