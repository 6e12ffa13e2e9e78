"""The shell of residency: requests come in, models are brought in, used and let go.

Decisions are the table's (`table.py`), the way of a model from store to model server is the
loader's (`loading.py`). Here are the tasks: one load per target however many wait for it, a bound
on loads side by side, deadlines, and the work the table asks for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mme.core.errors import (
    Busy,
    EndpointError,
    ModelFailed,
    ModelNotReady,
    NotLoaded,
    ShuttingDown,
)
from mme.core.names import check_target, model_name
from mme.mms import NO_ANSWER
from mme.residency.loading import Loader
from mme.residency.table import Model, ResidencyTable, State
from mme.residency.views import Answer, ModelView, view_of, view_on_disk
from mme.residency.worker import Worker, WorkerGone

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any

    from mme.cache import ArtifactCache
    from mme.core.settings import Settings
    from mme.mms import MmsAnswer, MmsServer
    from mme.residency.table import Unload
    from mme.store import Store

log = logging.getLogger(__name__)

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
NOT_FOUND, INTERNAL, UNAVAILABLE = 404, 500, 503


class Residency:
    """The models of one endpoint. All methods run on the event loop that made it."""

    def __init__(self, settings: Settings, store: Store, cache: ArtifactCache) -> None:
        self._settings = settings
        self._cache = cache
        self._table = ResidencyTable()
        self._executor = ThreadPoolExecutor(settings.parallel_loads + 2, "artifacts")
        self._loader = Loader(store, cache, self._executor, settings.load_timeout_s)
        self._server: MmsServer | None = None
        self._server_up = asyncio.Event()
        self._load_slots = asyncio.Semaphore(settings.parallel_loads)
        self._loads: dict[str, asyncio.Task[Model]] = {}
        self._phases: dict[str, State] = {}
        self._workers: dict[str, Worker] = {}
        self._departures: dict[str, asyncio.Event] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._closed = False

    # -- the model server comes and goes ------------------------------------------------------

    def attach(self, server: MmsServer) -> None:
        """Use this model server, which has no models yet."""
        self._server = server
        self._server_up.set()

    def detach(self) -> None:
        """The model server is gone and its models with it; loads wait for the next one."""
        self._server = None
        self._server_up.clear()
        self._table.clear()
        for name in list(self._workers):
            self._close_worker(name, "the model server ended")
        for departed in self._departures.values():
            departed.set()
        self._departures.clear()

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the model server answers within `timeout_s`, asked anew."""
        server = self._server
        return server is not None and await server.client.ping(timeout_s)

    # -- what callers ask for -----------------------------------------------------------------

    async def invoke(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request to `target`, bringing the model in first if need be.

        Raises TargetNotFound, ArtifactRejected, InvalidRequest, StoreUnavailable, LoadFailed,
        ModelNotReady, ShuttingDown; ModelFailed if the model gave no answer of its own. An error
        answer of the model is an `Answer` like any other.
        """
        check_target(target)
        cold = False
        for attempt in (1, 2):
            model = self._table.ready(target)
            if model is None:
                cold = True
                model = await self._bring_in(target)
            else:
                self._check_version_in_background(model)
            try:
                answer = await self._exchange(model, headers, body)
            except WorkerGone:
                if attempt == 2:  # noqa: PLR2004
                    reason = "the model's worker died while the request waited, twice"
                    raise ModelFailed(target, NO_ANSWER, reason) from None
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
            self._abandon(model)
            # 404 and 503: the model server has no such model or no worker for it, so no worker
            # saw the request and it can be sent again.
            if answer.status not in (NOT_FOUND, UNAVAILABLE) or attempt == 2:  # noqa: PLR2004
                raise ModelFailed(target, answer.status, server_error)
        raise AssertionError("unreachable")

    async def load(self, target: str) -> ModelView:
        """Bring `target` in now; returns when it can serve. Raises as `invoke` does."""
        check_target(target)
        model = self._table.ready(target) or await self._bring_in(target)
        return view_of(model)

    async def unload(self, target: str) -> None:
        """Let `target` go: returns when it is out of the model server. Raises NotLoaded."""
        check_target(target)
        load = self._loads.get(target)
        if load is not None:
            await asyncio.wait({load})
        model = self._table.get(target)
        if model is None:
            raise NotLoaded(target)
        self._dismiss(model)
        await self._departure(model.name)

    def models(self) -> list[ModelView]:
        """Every target model that is loaded, being brought in or on disk, by name of target."""
        on_disk = {entry.name: entry for entry in self._cache.entries()}
        by_age = sorted(on_disk.values(), key=lambda entry: entry.fetched_at)
        views = {entry.target: view_on_disk(entry) for entry in by_age}
        for target, phase in self._phases.items():
            if self._table.get(target) is None:
                views[target] = ModelView(target=target, state=phase)
        for model in self._table:
            if model.state is not State.DRAINING or self._table.get(model.target) is None:
                kept = on_disk.get(model.name)
                views[model.target] = view_of(model, None if kept is None else kept.fetched_at)
        return [views[target] for target in sorted(views)]

    def describe(self, target: str) -> ModelView:
        """The view of one target. Raises NotLoaded if it is neither loaded nor on disk."""
        check_target(target)
        for view in self.models():
            if view.target == target:
                return view
        raise NotLoaded(target)

    async def close(self) -> None:
        """Stop loading, end the background work; the model server itself is its owner's."""
        self._closed = True
        for task in (*self._loads.values(), *self._chores):
            task.cancel()
        await asyncio.gather(*self._loads.values(), *self._chores, return_exceptions=True)
        self._executor.shutdown(wait=True, cancel_futures=True)

    # -- bringing in --------------------------------------------------------------------------

    async def _bring_in(self, target: str) -> Model:
        """The ready model of `target`; waits for the load in progress or starts one."""
        deadline_s = time.monotonic() + self._settings.ready_timeout_s
        while True:
            failure = self._table.failure(target, time.monotonic())
            if failure is not None:
                raise failure
            load = self._start_load(target)
            # The load is not ours alone: it goes on when we leave.
            done, _ = await asyncio.wait({load}, timeout=max(0.0, deadline_s - time.monotonic()))
            if not done:
                phase = self._phases.get(target, State.LOADING)
                raise ModelNotReady(
                    target, f"still {phase} after {self._settings.ready_timeout_s:g} s"
                )
            if load.cancelled():
                raise ShuttingDown
            load.result()
            model = self._table.ready(target)
            if model is not None:
                return model

    def _start_load(self, target: str) -> asyncio.Task[Model]:
        if self._closed:
            raise ShuttingDown
        load = self._loads.get(target)
        if load is None:
            load = asyncio.create_task(self._load(target), name=f"load {target}")
            self._loads[target] = load
            load.add_done_callback(lambda task: self._load_ended(target, task))
        return load

    def _load_ended(self, target: str, task: asyncio.Task[Model]) -> None:
        self._loads.pop(target, None)
        self._phases.pop(target, None)
        if not task.cancelled():
            task.exception()  # seen: waiters get it, and nobody may be waiting any more

    async def _load(self, target: str) -> Model:
        self._phases[target] = State.DOWNLOADING
        try:
            async with self._load_slots:
                artifact = await self._loader.fetch(target)
                await self._server_up.wait()
                server = self._server
                assert server is not None  # noqa: S101 - the event says so
                self._phases[target] = State.LOADING
                # The same version may still be draining; its name is free only when it is gone.
                await self._departure(artifact.name)
                began_at = time.monotonic()
                model = await self._loader.load(artifact, server.client, server.config.report_dir)
        except EndpointError as error:
            log.warning("cannot bring in %s: %s", target, error.message)
            self._table.failed(target, error, time.monotonic() + self._settings.failure_memory_s)
            raise
        except Exception:
            log.exception("cannot bring in %s", target)
            raise
        now_s = time.monotonic()
        load_s = round(now_s - began_at, 4)
        if server is not self._server:
            raise ModelFailed(target, NO_ANSWER, "the model server ended while loading")
        self._workers[model.name] = Worker(target, model.pid, lambda: self._abandon(model))
        replaced = self._table.get(target)
        actions = self._table.loaded(model, load_s=load_s, wall_s=time.time(), now_s=now_s)
        log.info("loaded %s as %s in %.3f s", target, model.name, load_s)
        if replaced is not None:
            self._let_go(replaced, actions)
        self._own(self._discard_other_versions(model))
        return model

    async def _discard_other_versions(self, model: Model) -> None:
        """Drop older copies of the target from disk, but for those still in use."""
        in_use = {resident.name for resident in self._table} | set(self._departures)
        for entry in self._cache.entries():
            if entry.target == model.target and entry.name not in in_use:
                await self._loader.discard(entry.name)

    def _check_version_in_background(self, model: Model) -> None:
        """Now and then, look whether the store has another version; if so load it beside."""
        now_s = time.monotonic()
        if now_s - model.checked_at_s >= self._settings.store_check_s:
            model.checked_at_s = now_s
            if model.target not in self._loads:
                self._own(self._check_version(model))

    async def _check_version(self, model: Model) -> None:
        try:
            ref = await self._loader.find(model.target)
        except EndpointError as error:
            # A removed artifact serves on until it is unloaded, as on SageMaker.
            log.debug("cannot check the version of %s: %s", model.target, error.message)
            return
        changed = model_name(model.target, ref.version) != model.name
        if changed and not self._closed and self._table.ready(model.target) is model:
            log.info("%s has changed in the store and is loaded anew", model.target)
            self._start_load(model.target)

    # -- using and letting go -----------------------------------------------------------------

    async def _exchange(self, model: Model, headers: Mapping[str, str], body: bytes) -> MmsAnswer:
        server = self._server
        assert server is not None  # noqa: S101 - a ready model has a server
        if model.in_flight >= self._settings.queue_length:
            raise Busy(model.target, model.in_flight)
        self._table.begin(model, time.time())
        try:
            return await self._workers[model.name].request(
                server.client, model.name, headers, body, self._settings.invoke_timeout_s
            )
        except ModelFailed:
            # Its worker may be stuck: the next request gets a fresh one.
            self._abandon(model)
            raise
        finally:
            for action in self._table.end(model, time.time()):
                self._own(self._unload(action.model))

    def _abandon(self, model: Model) -> None:
        """The model does not work any more: no further request may reach it."""
        if self._table.get(model.target) is model:
            log.warning("the worker of %s is dead or does not answer; it goes", model.target)
            self._dismiss(model)

    def _dismiss(self, model: Model) -> None:
        self._let_go(model, self._table.dismiss(model))

    def _let_go(self, model: Model, actions: list[Unload]) -> None:
        self._departures.setdefault(model.name, asyncio.Event())
        for action in actions:
            self._own(self._unload(action.model))

    async def _departure(self, name: str) -> None:
        """Return when no model of that name is on its way out."""
        departed = self._departures.get(name)
        if departed is not None:
            await departed.wait()

    async def _unload(self, model: Model) -> None:
        server = self._server
        if server is not None:
            await self._loader.forget(model.name, server.client)
        self._close_worker(model.name, "the model was unloaded")
        departed = self._departures.pop(model.name, None)
        if departed is not None:
            departed.set()
        log.info("unloaded %s (%s)", model.target, model.name)
        current = self._table.get(model.target)
        if current is not None and current.name != model.name:
            await self._loader.discard(model.name)

    def _close_worker(self, name: str, reason: str) -> None:
        worker = self._workers.pop(name, None)
        if worker is not None:
            worker.close(reason)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` in the background, with its errors logged and its end awaited at close."""
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chore_ended)
        return task

    def _chore_ended(self, task: asyncio.Task[None]) -> None:
        self._chores.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work failed", exc_info=error)
