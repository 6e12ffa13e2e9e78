"""What is resident, as one object: the table, the workers behind it, the memory book, the way out.

Shared by those who bring models in (`arrivals.py`) and those who use them (`residency.py`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from mme.residency.crew import Crew
from mme.residency.table import Model, ResidencyTable
from mme.residency.worker import Worker

if TYPE_CHECKING:
    from mme.mms import MmsServer
    from mme.residency.loading import Loader
    from mme.residency.policy import Candidate
    from mme.residency.registering import Registrar
    from mme.residency.room import Room
    from mme.residency.table import Unload
    from mme.residency.tasks import Tasks

log = logging.getLogger(__name__)


class Residents:
    """The models in the model server of the moment, and how they leave it."""

    def __init__(self, room: Room, loader: Loader, registrar: Registrar, tasks: Tasks) -> None:
        self.table = ResidencyTable()
        self.crews: dict[str, Crew] = {}
        """The workers of each model, by its name."""
        self.server: MmsServer | None = None
        self.server_up = asyncio.Event()
        self._room = room
        self._loader = loader
        self._registrar = registrar
        self._tasks = tasks
        self._departures: dict[str, asyncio.Event] = {}
        loader.is_in_use = self.has

    def attach(self, server: MmsServer) -> None:
        """Use this model server, which has no models yet."""
        self.server = server
        self.server_up.set()

    def detach(self) -> None:
        """The model server is gone and its models with it; loads wait for the next one."""
        self.server = None
        self.server_up.clear()
        for model in self.table:
            self._room.left(model.name)
        self.table.clear()
        for name in list(self.crews):
            self._close_crew(name, "the model server ended")
        for departed in self._departures.values():
            departed.set()
        self._departures.clear()

    def arrived(self, model: Model, load_s: float) -> None:
        """`model` is loaded: it serves from now on, and what it replaces drains."""
        worker = Worker(model.target, model.pid, lambda: self.abandon(model))
        self.crews[model.name] = Crew(model.server_name, worker)
        replaced = self.table.get(model.target)
        actions = self.table.loaded(
            model, load_s=load_s, wall_s=time.time(), now_s=time.monotonic()
        )
        self._room.used(model)
        if replaced is not None:
            self._let_go(replaced, actions)

    def released(self, model: Model) -> None:
        """A request to `model` has ended."""
        self._room.used(model)
        for action in self.table.end(model, time.time()):
            self._tasks.start(self._unload(action.model))

    def abandon(self, model: Model) -> None:
        """The model's worker is dead or stuck: it serves nobody any more; who waits asks again."""
        if self.table.get(model.target) is model:
            log.warning("the worker of %s is dead or does not answer; it goes", model.target)
            self.dismiss(model)
            crew = self.crews.get(model.name)
            if crew is not None:
                crew.give_up()

    def dismiss(self, model: Model) -> None:
        """Let `model` go when its last request has ended."""
        self._let_go(model, self.table.dismiss(model))

    async def evict(self, victim: Candidate) -> None:
        """Let an idle model go; returns when it is gone."""
        model = next((each for each in self.table if each.name == victim.name), None)
        if model is not None and model.in_flight == 0:
            log.info("evicting %s: %d KiB", model.target, model.own_bytes >> 10)
            self.dismiss(model)
            await self.departure(model.name)

    async def departure(self, name: str) -> None:
        """Return when no model of that name is on its way out."""
        departed = self._departures.get(name)
        if departed is not None:
            await departed.wait()

    def has(self, name: str) -> bool:
        """Whether a model of that name is loaded, or on its way out."""
        return name in self._departures or name in self.crews

    def _let_go(self, model: Model, actions: list[Unload]) -> None:
        self._room.leaves(model)
        self._departures.setdefault(model.name, asyncio.Event())
        for action in actions:
            self._tasks.start(self._unload(action.model))

    async def _unload(self, model: Model) -> None:
        server = self.server
        crew = self.crews.get(model.name)
        if crew is not None and crew.change is not None:
            await asyncio.wait({crew.change})
        names = crew.names if crew is not None else [model.server_name]
        # Nobody waits for a drained model; its workers' deaths are no news any more.
        self._close_crew(model.name, "the model was unloaded")
        if server is not None:
            for name in names:
                await self._registrar.forget(name, server.client)
        self._room.left(model.name)
        departed = self._departures.pop(model.name, None)
        if departed is not None:
            departed.set()
        log.info("unloaded %s (%s)", model.target, model.server_name)
        current = self.table.get(model.target)
        if current is not None and current.name != model.name:
            await self._loader.discard(model.name)

    def _close_crew(self, name: str, reason: str) -> None:
        crew = self.crews.pop(name, None)
        if crew is not None:
            crew.close(reason)
