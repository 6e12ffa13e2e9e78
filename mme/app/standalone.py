"""The standalone endpoint as a whole: what is started in which order, watched, and taken down.

Start: store, cache, port, template and model server, workers, gateway. End: the reverse, with a
deadline for running requests. A child that ends is started again; one that does not come up again
ends the endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mme.app.access import buckets_of, gate_of
from mme.app.children import Engine
from mme.app.control_plane import open_control_plane
from mme.app.idle import Idle
from mme.app.life import (
    EndpointFailed,
    orphans_reaped,
    starting,
    stop_signals,
    until_noticed,
    until_stopped,
)
from mme.app.listening import answering, listeners
from mme.app.offered import look
from mme.app.pipelines import pipelines_of
from mme.app.run_dir import run_dir
from mme.app.samples import store_of
from mme.app.state import state_database
from mme.app.surface import Parts, surface
from mme.cache import ArtifactCache, CacheInUse
from mme.cache.terms import admission_terms, extraction_limits
from mme.core.background import BackgroundTasks
from mme.core.settings import SettingsError
from mme.pipelines.ensembles import Ensembles
from mme.residency.store_catalog import StoreCatalog
from mme.residency.store_models import StoreModels
from mme.store.by_uri import StoresByUri

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from mme.app.life import Address
    from mme.app.offered import Offered
    from mme.cache.threads import Run
    from mme.core.settings import Settings

log = logging.getLogger(__name__)

Result = TypeVar("Result")
SPARE_THREADS = 2


async def run_endpoint(settings: Settings, on_ready: Callable[[Address, Offered], None]) -> None:
    """Run the endpoint until SIGTERM or SIGINT. Raises EndpointFailed and SettingsError."""
    stop, leaving = stop_signals(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        run = stack.enter_context(_threads(settings.parallel_loads + SPARE_THREADS))
        at = stack.enter_context(listeners(settings))
        folder = stack.enter_context(run_dir())
        own, is_sample = store_of(settings)
        gate, buckets, pipelines = gate_of(settings), buckets_of(settings), pipelines_of(settings)
        store = StoresByUri(own, buckets)
        try:
            cache = await stack.enter_async_context(_cache(settings, own.uri, run))
        except CacheInUse as error:
            raise EndpointFailed(str(error)) from error
        except (ValueError, OSError) as error:
            raise SettingsError(f"MME_CACHE_DIR={str(settings.cache_dir)!r}: {error}") from error
        offered = asyncio.create_task(look(store, cache.latest, run))
        stack.callback(offered.cancel)
        database = stack.enter_context(state_database(settings))
        plane = await open_control_plane(database, store, run)
        engine = Engine.make(settings, folder, readable=(cache.folder,), are_files_ours=True)
        idle = Idle(
            engine, lambda: settings.idle_s or plane.idle_after_s(), wait_s=settings.ready_timeout_s
        )
        models = _models(settings, engine, idle, store=store, cache=cache, run=run)
        await stack.enter_async_context(orphans_reaped())
        async with starting(stop):
            await stack.enter_async_context(engine.running())
            await stack.enter_async_context(idle.watching())
        stack.push_async_callback(models.close)
        if not stop.is_set():
            parts = Parts(
                settings, engine=engine, models=models, plane=plane, database=database,
                pipelines=pipelines, gate=gate, buckets=buckets, is_sample=is_sample,
                scratch=folder,
            )  # fmt: skip
            app, calls = await stack.enter_async_context(surface(parts, leaving.is_set))
            address = await stack.enter_async_context(
                answering(app, at, run, settings.drain_timeout_s, calls)
            )
            on_ready(address, await offered)
            await until_stopped(stop, engine)
            await until_noticed(stop, leaving, engine, settings.drain_notice_s)
        log.info("stopping: no new requests, running ones have %g s", settings.drain_timeout_s)
    log.info("stopped")


def _models(
    settings: Settings,
    engine: Engine,
    idle: Idle,
    *,
    store: StoresByUri,
    cache: ArtifactCache,
    run: Run,
) -> StoreModels:
    """The models of the store, which is tried once in the background."""
    catalog = StoreCatalog(
        settings,
        store=store,
        cache=cache,
        admit=idle.admit,
        run=run,
        workers=engine.workers,
        events=engine.observed.events,
    )
    models = StoreModels(
        settings,
        catalog,
        cache,
        engine.workers,
        engine.book,
        observed=engine.observed,
        through=lambda invoke, ask, declared: (
            Ensembles(invoke, ask, declared, settings.invoke_timeout_s).invoke
        ),
    )
    catalog.check_in_background()
    return models


@contextlib.contextmanager
def _threads(count: int) -> Iterator[Run]:
    """Threads for blocking work, started at once: at a task limit none could be later.

    One that hangs on a store that does not answer is left when the process ends.
    """
    executor = ThreadPoolExecutor(count, "artifacts")
    barrier = threading.Barrier(count)
    for _ in range(count):
        executor.submit(barrier.wait)

    def run(work: Callable[[], Result]) -> asyncio.Future[Result]:
        return asyncio.wrap_future(executor.submit(work))

    try:
        yield run
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextlib.asynccontextmanager
async def _cache(settings: Settings, store_uri: str, run: Run) -> AsyncIterator[ArtifactCache]:
    """The disk cache; a private one where the default one cannot be had.

    It may serve another endpoint already, or there is no home folder.
    """
    opened = partial(
        ArtifactCache.open,
        limits=extraction_limits(settings),
        terms=admission_terms(settings),
        store_uri=store_uri,
        limit_bytes=settings.cache_limit_bytes,
        run=run,
    )
    with contextlib.ExitStack() as stack:
        try:
            cache = opened(settings.cache_dir)
        except (CacheInUse, OSError) as error:
            if "cache_dir" in settings.model_fields_set:
                raise
            private = stack.enter_context(tempfile.TemporaryDirectory(prefix="mme-cache-"))
            log.warning("%s; this endpoint uses %s, which goes when it stops", error, private)
            cache = opened(Path(private))
        stack.callback(cache.close)
        upkeep = BackgroundTasks()
        upkeep.start(cache.upkeep())
        try:
            yield cache
        finally:
            await upkeep.close()
