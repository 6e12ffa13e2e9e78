"""The multi-model container: the model server in public, beside it what a platform cannot see to.

The platform downloads, loads and unloads; nothing is loaded on our own. We start the prefork server
and the model server, tell workers to refuse what does not fit, bring back models whose worker died,
drop converted files of models the platform has deleted, and let running requests end at a stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mme.cli.children import WorkerFiles, model_server_keeper, prefork_keeper, started
from mme.cli.run_dir import run_dir
from mme.cli.running import (
    ANY_ADDRESS,
    Address,
    bind,
    orphans_reaped,
    starting,
    stop_signals,
    until_stopped,
)
from mme.core import busy
from mme.core.admission import Admission
from mme.core.busy import BusyFile
from mme.mms import Listen, Mender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mme.cli.modes import Platform
    from mme.core.settings import Settings

log = logging.getLogger(__name__)

MODELS_DIR = Path("/opt/ml/models")
POLL_S = 0.05
QUIET_S = 0.5
"""Between the answers of requests that queue for one model nobody answers for a moment."""
SWEEP_EVERY_S = 60.0


async def run_multi_model(
    settings: Settings, platform: Platform, on_ready: Callable[[Address], None]
) -> None:
    """Run the container until SIGTERM or SIGINT. Raises EndpointFailed."""
    stop = stop_signals()
    async with contextlib.AsyncExitStack() as stack:
        # The model server would only say that it ended.
        bind(ANY_ADDRESS, platform.port, "SAGEMAKER_BIND_TO_PORT").close()
        folder = stack.enter_context(run_dir())
        files = WorkerFiles(folder, scratch_dir=folder / "scratch")
        admission = Admission(folder / "loading", settings.memory_high, settings.memory_limit)
        for made in (files.scratch_dir, admission.folder):
            made.mkdir()
        answering = BusyFile(folder / "busy")
        stack.callback(answering.close)
        prefork = prefork_keeper(settings, files)
        mender = Mender()
        stack.push_async_callback(mender.close)
        server = model_server_keeper(
            settings,
            files,
            prefork,
            on_up=mender.attach,
            on_down=mender.detach,
            listen=Listen(ANY_ADDRESS, (platform.port,)),
            for_workers=admission.as_environment() | {busy.ENVIRONMENT: str(folder / "busy")},
        )
        keepers = [keeper for keeper in (prefork, server) if keeper is not None]
        await stack.enter_async_context(orphans_reaped(keepers))
        async with starting(stop):
            await started(stack, settings, prefork, server)
        await stack.enter_async_context(_scratch_swept(files.scratch_dir, MODELS_DIR))
        if not stop.is_set():
            on_ready(Address(ANY_ADDRESS, platform.port))
            await until_stopped(stop, keepers)
        log.info("stopping: running requests have %g s", settings.drain_timeout_s)
        await _until_quiet(answering, settings.drain_timeout_s)
    log.info("stopped")


async def _until_quiet(answering: BusyFile, timeout_s: float) -> None:
    """Return when no worker has answered anything for a while, or the time is up."""
    clock = asyncio.get_running_loop().time
    deadline_s = clock() + timeout_s
    quiet_since_s = clock()
    while clock() < deadline_s:
        if answering.is_anybody_answering():
            quiet_since_s = clock()
        elif clock() - quiet_since_s >= QUIET_S:
            return
        await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def _scratch_swept(scratch_dir: Path, models_dir: Path) -> AsyncIterator[None]:
    """Inside the block, remove what was converted from models the platform has deleted."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for folder in abandoned(scratch_dir, models_dir):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    sweeping = asyncio.create_task(sweep(), name="sweep scratch")
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


def abandoned(scratch_dir: Path, models_dir: Path) -> list[Path]:
    """The folders of converted files whose model is not below `models_dir`, if that is there."""
    if not models_dir.is_dir():
        return []
    return [folder for folder in scratch_dir.iterdir() if not (models_dir / folder.name).exists()]
