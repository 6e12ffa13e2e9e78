"""The multi-model container: the platform downloads, loads and unloads, and is answered.

Nothing is loaded on our own. What the platform has loaded may be out of memory without its knowing
and comes back when it is asked for; only what can never fit is refused. Converted files of models
that the platform has deleted are dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from typing import TYPE_CHECKING

from mme.app.children import Engine
from mme.app.idle import Idle
from mme.app.life import (
    ANY_ADDRESS,
    Address,
    bind,
    bodies_of,
    orphans_reaped,
    serving,
    starting,
    stop_signals,
    until_stopped,
)
from mme.app.metrics import measured_container
from mme.app.modes import Mode
from mme.app.run_dir import run_dir
from mme.gateway import make_platform_app
from mme.residency.folder_models import FolderCatalog, PlatformModels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mme.app.modes import Platform
    from mme.core.settings import Settings

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 60.0


async def run_multi_model(
    settings: Settings, platform: Platform, on_ready: Callable[[Address], None]
) -> None:
    """Run the container until SIGTERM or SIGINT. Raises EndpointFailed."""
    stop = stop_signals()
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(bind(ANY_ADDRESS, platform.port, "SAGEMAKER_BIND_TO_PORT"))
        folder = stack.enter_context(run_dir())
        converted = folder / "converted"
        converted.mkdir()
        engine = Engine.make(
            settings, folder, readable=(settings.models_dir, converted), refuses_unfitting=True
        )
        idle = Idle(engine, lambda: settings.idle_s, wait_s=settings.ready_timeout_s)
        catalog = FolderCatalog(settings, idle.admit, converted)
        models = PlatformModels(
            settings, catalog, engine.workers, settings.models_dir, engine.observed
        )
        await stack.enter_async_context(orphans_reaped())
        # The platform asks for the list from the start, so the surface comes before the workers.
        public = contextlib.AsyncExitStack()
        bodies = bodies_of(settings, engine.book)
        measured = measured_container(
            settings,
            engine,
            Mode.MULTI_MODEL,
            models.is_ready,
            loaded_models=lambda: models.loaded,
            bodies=bodies,
        )
        app = make_platform_app(
            settings, models, bodies, more=measured.routes, counts=measured.counts
        )
        address = await public.enter_async_context(serving(app, listener, settings.drain_timeout_s))
        async with starting(stop):
            await stack.enter_async_context(engine.running())
            await stack.enter_async_context(idle.watching())
        stack.push_async_callback(models.close)
        await stack.enter_async_context(_abandoned_removed(catalog))
        await stack.enter_async_context(measured.running())
        # Comes last, so it goes first: requests are answered while the workers are still there.
        stack.push_async_callback(public.aclose)
        if not stop.is_set():
            on_ready(address)
            await until_stopped(stop, engine)
        log.info("stopping: no new requests, running ones have %g s", settings.drain_timeout_s)
    log.info("stopped")


@contextlib.asynccontextmanager
async def _abandoned_removed(catalog: FolderCatalog) -> AsyncIterator[None]:
    """Inside the block, remove what was converted from models the platform has deleted."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for place in await asyncio.to_thread(catalog.abandoned):
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    sweeping = asyncio.create_task(sweep(), name="remove abandoned conversions")
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
