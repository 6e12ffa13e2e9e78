"""The shell of residency: requests come in, models are brought in, used and let go.

Decisions are pure and elsewhere (`table.py`, `governor.py`, `policy.py`); models come in through
`arrivals.py` and leave through `resident.py`. Here is what callers ask for, and the watch over
memory and versions.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mme.core.errors import Busy, EndpointError, ModelFailed, NotLoaded, ShuttingDown
from mme.core.names import check_target, model_name
from mme.mms import NO_ANSWER
from mme.residency.arrivals import Arrivals
from mme.residency.loading import Loader
from mme.residency.registering import Registrar
from mme.residency.resident import Residents
from mme.residency.room import FRONT_END_BYTES, Room
from mme.residency.scaling import SCALE_CHECK_S, Scaler
from mme.residency.table import Model, State
from mme.residency.tasks import Tasks
from mme.residency.views import Answer, ModelView, view_of, view_on_disk
from mme.residency.worker import WorkerGone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.cache import ArtifactCache
    from mme.core.memory import MemoryReading
    from mme.core.settings import Settings
    from mme.mms import MmsAnswer, MmsServer
    from mme.store import Store

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 3.0

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
NOT_FOUND, UNAVAILABLE = 404, 503
MEMORY_CHECK_S = 0.5
MEASURE_EVERY_S = 2.0
"""Measuring one model takes the kernel some milliseconds, in which others wait for a core."""


class Residency:
    """The models of one endpoint. All methods run on the event loop that made it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        cache: ArtifactCache,
        read_memory: Callable[[], MemoryReading],
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._executor = ThreadPoolExecutor(settings.parallel_loads + 2, "artifacts")
        self._tasks = Tasks()
        self._room = Room(settings, read_memory)
        self._loader = Loader(settings, store, cache, self._executor)
        registrar = Registrar(settings, self._tasks)
        self._residents = Residents(self._room, self._loader, registrar, self._tasks)
        self._table = self._residents.table
        self._arrivals = Arrivals(settings, self._loader, registrar, self._residents, self._room)
        self._scaler = Scaler(
            settings.workers_per_model or os.cpu_count() or 1,
            self._residents,
            self._room,
            loader=self._loader,
            registrar=registrar,
            tasks=self._tasks,
            artifact_of=cache.lookup,
        )
        self._tasks.start(self._watch_memory())
        self._tasks.start(self._watch_growth())
        self._tasks.start(self._watch_load())

    def attach(self, server: MmsServer) -> None:
        """Use this model server, which has no models yet."""
        self._residents.attach(server)

    def detach(self) -> None:
        """The model server is gone and its models with it; loads wait for the next one."""
        self._residents.detach()

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the model server answers within `timeout_s`, asked anew."""
        server = self._residents.server
        return server is not None and await server.client.ping(timeout_s)

    async def invoke(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request to `target`, bringing the model in first if need be.

        Raises TargetNotFound, ArtifactRejected, InvalidRequest, StoreUnavailable, LoadFailed,
        ModelNotReady, Busy, ShuttingDown; ModelFailed if the model gave no answer of its own. An
        error answer of the model is an `Answer` like any other.
        """
        check_target(target)
        cold = False
        for attempt in (1, 2):
            model = self._table.ready(target)
            if model is None:
                cold = True
                model = await self._arrivals.bring_in(target)
            else:
                self._check_version_in_background(model)
            try:
                answer = await self._exchange(model, headers, body)
            except WorkerGone:
                continue
            server_error = answer.server_error()
            if server_error is None:
                return Answer(
                    status=answer.status,
                    content_type=answer.content_type,
                    custom_attributes=answer.headers.get(CUSTOM_ATTRIBUTES),
                    body=answer.body,
                    cold=cold,
                )
            self._residents.abandon(model)
            # 404 and 503: the model server has no such model or no worker for it, so no worker
            # saw the request and it can be sent again.
            if answer.status not in (NOT_FOUND, UNAVAILABLE) or attempt == 2:  # noqa: PLR2004
                raise ModelFailed(target, answer.status, server_error)
        reason = "the model's worker died, twice, while the request waited for it"
        raise ModelFailed(target, NO_ANSWER, reason)

    async def load(self, target: str) -> ModelView:
        """Bring `target` in now; returns when it can serve. Raises as `invoke` does."""
        check_target(target)
        model = self._table.ready(target) or await self._arrivals.bring_in(target)
        return self._view(model)

    async def unload(self, target: str) -> None:
        """Let `target` go: returns when it is out of the model server. Raises NotLoaded."""
        check_target(target)
        await self._arrivals.settled(target)
        model = self._table.get(target)
        if model is None:
            raise NotLoaded(target)
        self._residents.dismiss(model)
        await self._residents.departure(model.name)

    def models(self) -> list[ModelView]:
        """Every target model that is loaded, being brought in or on disk, by name of target."""
        on_disk = {entry.name: entry for entry in self._cache.entries()}
        by_age = sorted(on_disk.values(), key=lambda entry: entry.fetched_at)
        views = {entry.target: view_on_disk(entry) for entry in by_age}
        for target, phase in self._arrivals.phases.items():
            if self._table.get(target) is None:
                views[target] = ModelView(target=target, state=phase)
        for model in self._table:
            if model.state is not State.DRAINING or self._table.get(model.target) is None:
                views[model.target] = self._view(model)
        return [views[target] for target in sorted(views)]

    def describe(self, target: str) -> ModelView:
        """The view of one target. Raises NotLoaded if it is neither loaded nor on disk."""
        check_target(target)
        for view in self.models():
            if view.target == target:
                return view
        raise NotLoaded(target)

    @property
    def models_bytes(self) -> int:
        """What the workers of all models own together."""
        crews = self._residents.crews.values()
        first = sum(max(0, model.own_bytes - FRONT_END_BYTES) for model in self._table)
        return first + sum(crew.own_bytes for crew in crews)

    async def close(self) -> None:
        """Stop loading, end the background work; the model server itself is its owner's."""
        await self._arrivals.close()
        await self._tasks.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._loader.close(CLOSE_TIMEOUT_S)

    async def _exchange(self, model: Model, headers: Mapping[str, str], body: bytes) -> MmsAnswer:
        server = self._residents.server
        assert server is not None  # noqa: S101 - a ready model has a server
        if model.in_flight >= self._settings.queue_length:
            raise Busy(model.target, model.in_flight)
        self._table.begin(model, time.time())
        try:
            return await self._residents.crews[model.name].request(
                server.client, headers, body, self._settings.invoke_timeout_s
            )
        except ModelFailed:
            # Its worker may be stuck: the next request gets a fresh one.
            self._residents.abandon(model)
            raise
        finally:
            self._residents.released(model)

    async def _watch_memory(self) -> None:
        """Relieve memory when it is short, also while nobody loads anything."""
        while True:
            await asyncio.sleep(MEMORY_CHECK_S)
            if not self._room.is_short() or self._scaler.shed():
                continue
            for victim in self._room.relieve(self._table):
                self._tasks.start(self._residents.evict(victim))

    async def _watch_growth(self) -> None:
        """Measure models that have been used since, the latest first."""
        while True:
            await asyncio.sleep(MEASURE_EVERY_S)
            for model in self._table.grown(1):
                await self._loader.in_thread(functools.partial(self._room.measure, model))

    async def _watch_load(self) -> None:
        """Give hot models more workers and take them back."""
        while True:
            await asyncio.sleep(SCALE_CHECK_S)
            self._scaler.step()

    def _view(self, model: Model) -> ModelView:
        kept = self._cache.lookup(model.name)
        return view_of(
            model,
            self._residents.crews.get(model.name),
            None if kept is None else kept.fetched_at,
            pinned=self._room.is_pinned(model.target),
        )

    def _check_version_in_background(self, model: Model) -> None:
        """Now and then, look whether the store has another version; if so load it beside."""
        now_s = time.monotonic()
        if now_s - model.checked_at_s >= self._settings.store_check_s:
            model.checked_at_s = now_s
            if model.target not in self._arrivals.phases:
                self._tasks.start(self._check_version(model))

    async def _check_version(self, model: Model) -> None:
        try:
            ref = await self._loader.find(model.target)
        except EndpointError as error:
            # A removed artifact serves on until it is unloaded, as on SageMaker.
            log.debug("cannot check the version of %s: %s", model.target, error.message)
            return
        changed = model_name(model.target, ref.version) != model.name
        if changed and self._table.ready(model.target) is model:
            log.info("%s has changed in the store and is loaded anew", model.target)
            try:
                self._arrivals.start(model.target)
            except ShuttingDown:
                return
