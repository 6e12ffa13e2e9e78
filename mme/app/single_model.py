"""The single-model container: one model, loaded at the start, answered for on the public port.

What cannot be loaded ends the container, with the reason as its last line; so does a model that
fails again and again, without one answer between (`mme.residency.kept_model`).
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from mme.app.children import Engine
from mme.app.life import (
    ANY_ADDRESS,
    Address,
    EndpointFailed,
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
from mme.core.errors import EndpointError, ModelFailed
from mme.gateway import make_single_app
from mme.residency.folder_models import SOLE, FolderCatalog, SoleModel
from mme.residency.kept_model import KeptModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mme.app.modes import Platform
    from mme.core.settings import Settings

log = logging.getLogger(__name__)


async def run_single_model(
    settings: Settings, platform: Platform, on_ready: Callable[[Address], None]
) -> None:
    """Run the container until SIGTERM or SIGINT. Raises EndpointFailed."""
    stop = stop_signals()
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(bind(ANY_ADDRESS, platform.port, "SAGEMAKER_BIND_TO_PORT"))
        folder = stack.enter_context(run_dir())
        # However short memory is, it would be needed again for the next request.
        pinned = settings.model_copy(update={"pin": (*settings.pin, SOLE)})
        converted = folder / "converted"
        converted.mkdir()
        engine = Engine.make(pinned, folder, readable=(platform.model_dir, converted))
        catalog = FolderCatalog(settings, engine.admissions.admit, converted)
        model = SoleModel(settings, catalog, engine.workers, platform.model_dir, engine.observed)
        await stack.enter_async_context(orphans_reaped())
        async with starting(stop):
            await stack.enter_async_context(engine.running())
            stack.push_async_callback(model.close)
            await _load(model, platform.model_dir)
            # Comes last, so it goes first: requests are answered while the model is still there.
            kept = KeptModel(model)
            stack.push_async_callback(kept.close)
            bodies = bodies_of(settings, engine.book)
            measured = measured_container(
                settings,
                engine,
                Mode.SINGLE_MODEL,
                kept.is_ready,
                loaded_models=lambda: 1,
                bodies=bodies,
            )
            app = make_single_app(
                settings, kept, bodies, more=measured.routes, counts=measured.counts
            )
            await stack.enter_async_context(measured.running())
            address = await stack.enter_async_context(
                serving(app, listener, settings.drain_timeout_s)
            )
            on_ready(address)
        if not stop.is_set():
            await until_stopped(stop, engine, kept)
        log.info("stopping: no new requests, running ones have %g s", settings.drain_timeout_s)
    log.info("stopped")


async def _load(model: SoleModel, folder: Path) -> None:
    """Raises EndpointFailed with the reason."""
    try:
        await model.load()
    except EndpointError as error:
        reason = error.body if isinstance(error, ModelFailed) else error.message
        raise EndpointFailed(f"the model in {folder} cannot be loaded: {reason}") from None
