"""The single-model container: one model, loaded at the start, answered for on the public port.

The model is kept like a child
process. What cannot be loaded ends the container with the reason as its last line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
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
from mme.gateway.single import make_single_app
from mme.mms import MmsServer, SoleModel
from mme.supervise import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.cli.modes import Platform
    from mme.core.settings import Settings

log = logging.getLogger(__name__)


class _Server:
    """The model server of the moment, and waiting for it while there is none."""

    def __init__(self) -> None:
        self._up = asyncio.Event()
        self._server: MmsServer | None = None

    def attach(self, server: MmsServer) -> None:
        self._server = server
        self._up.set()

    def detach(self) -> None:
        self._up.clear()

    async def current(self) -> MmsServer:
        while True:
            await self._up.wait()
            if self._server is not None:
                return self._server


async def run_single_model(
    settings: Settings, platform: Platform, on_ready: Callable[[Address], None]
) -> None:
    """Run the container until SIGTERM or SIGINT. Raises EndpointFailed."""
    stop = stop_signals()
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(bind(ANY_ADDRESS, platform.port, "SAGEMAKER_BIND_TO_PORT"))
        folder = stack.enter_context(run_dir())
        files = WorkerFiles(folder, scratch_dir=folder / "scratch")
        files.scratch_dir.mkdir()
        prefork = prefork_keeper(settings, files)
        up = _Server()
        server = model_server_keeper(
            settings,
            files,
            prefork,
            on_up=up.attach,
            on_down=up.detach,
        )
        model = Keeper(
            "model",
            lambda: SoleModel.load(up.current, platform.model_dir, settings.load_timeout_s),
        )
        keepers = [keeper for keeper in (prefork, server, model) if keeper is not None]
        await stack.enter_async_context(orphans_reaped(keepers))
        async with starting(stop):
            await started(stack, settings, prefork, server)
            await stack.enter_async_context(model.running())
            # Comes last, so it goes first: requests are answered while the model is still there.
            app = make_single_app(settings, lambda: model.child)
            address = await stack.enter_async_context(
                serving(app, listener, settings.drain_timeout_s)
            )
            on_ready(address)
        if not stop.is_set():
            await until_stopped(stop, keepers)
        log.info("stopping: no new requests, running ones have %g s", settings.drain_timeout_s)
    log.info("stopped")
