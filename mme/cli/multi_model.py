"""The multi-model container: the platform downloads, loads and unloads, and is answered.

Nothing is loaded on our own. The model server stays behind a surface of ours, which has what the
platform calls and no more; workers are told to refuse what does not fit, and converted files of
models the platform has deleted are dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from typing import TYPE_CHECKING

from mme.cli.children import WorkerFiles, model_server_keeper, prefork_keeper, started
from mme.cli.run_dir import run_dir
from mme.cli.running import (
    ANY_ADDRESS,
    Address,
    bind,
    orphans_reaped,
    serving,
    starting,
    stop_signals,
    until_stopped,
)
from mme.core.admission import Admission
from mme.gateway.hosted import make_hosted_app
from mme.residency import HostedModels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection
    from pathlib import Path

    from mme.cli.modes import Platform
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
        files = WorkerFiles(folder, scratch_dir=folder / "scratch")
        admission = Admission(folder / "loading", settings.memory_high, settings.memory_limit)
        for made in (files.scratch_dir, admission.folder):
            made.mkdir()
        models = HostedModels(settings, settings.models_dir)
        stack.push_async_callback(models.close)
        # The platform asks what is loaded from the first second on.
        public = await stack.enter_async_context(contextlib.AsyncExitStack())
        app = make_hosted_app(settings, models)
        address = await public.enter_async_context(serving(app, listener, settings.drain_timeout_s))
        prefork = prefork_keeper(settings, files)
        server = model_server_keeper(
            settings,
            files,
            prefork,
            on_up=models.attach,
            on_down=models.detach,
            for_workers=admission.as_environment(),
        )
        keepers = [keeper for keeper in (prefork, server) if keeper is not None]
        await stack.enter_async_context(orphans_reaped(keepers))
        async with starting(stop):
            await started(stack, settings, prefork, server)
        await stack.enter_async_context(
            _scratch_swept(files.scratch_dir, settings.models_dir, models)
        )
        # Comes last, so it goes first: requests are answered while the models are still there.
        stack.push_async_callback(public.aclose)
        if not stop.is_set():
            on_ready(address)
            await until_stopped(stop, keepers)
        log.info("stopping: no new requests, running ones have %g s", settings.drain_timeout_s)
    log.info("stopped")


@contextlib.asynccontextmanager
async def _scratch_swept(
    scratch_dir: Path, models_dir: Path, models: HostedModels
) -> AsyncIterator[None]:
    """Inside the block, remove what was converted from models the platform has deleted."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for folder in abandoned(scratch_dir, models_dir, models.inner_names):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    sweeping = asyncio.create_task(sweep(), name="sweep scratch")
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


def abandoned(scratch_dir: Path, models_dir: Path, in_use: Collection[str]) -> list[Path]:
    """The folders of converted files whose model is not below `models_dir`, if that is there.

    Nor `in_use`: a model whose name makes no file name keeps them under another one.
    """
    if not models_dir.is_dir():
        return []
    return [
        folder
        for folder in scratch_dir.iterdir()
        if folder.name not in in_use and not (models_dir / folder.name).exists()
    ]
