"""The standalone endpoint as a whole: what is started in which order, watched, and taken down.

Start: store, cache, port, prefork server and model server, gateway. End: the reverse, with a
deadline for running requests. Vital children are started again when they die; when one dies too
often the endpoint gives up.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mme.cache import ArtifactCache, CacheInUse, ExtractionLimits
from mme.cli.children import WorkerFiles, model_server_keeper, prefork_keeper, started
from mme.cli.run_dir import run_dir
from mme.cli.running import (
    Address,
    EndpointFailed,
    bind,
    orphans_reaped,
    pids_of,
    serving,
    starting,
    stop_signals,
    until_stopped,
)
from mme.core.memory import MemoryReader, anonymous_bytes
from mme.gateway import make_app
from mme.residency import Residency
from mme.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.core.settings import Settings
    from mme.supervise import Keeper

log = logging.getLogger(__name__)


async def run_endpoint(settings: Settings, on_ready: Callable[[Address], None]) -> None:
    """Run the endpoint until SIGTERM or SIGINT. Raises EndpointFailed."""
    stop = stop_signals()
    async with contextlib.AsyncExitStack() as stack:
        try:
            store = open_store(settings.store)
            cache = stack.enter_context(_open_cache(settings))
        except (ValueError, OSError, CacheInUse) as error:
            raise EndpointFailed(str(error)) from error
        listener = stack.enter_context(bind(settings.host, settings.port, "MME_HOST, MME_PORT"))
        files = WorkerFiles(stack.enter_context(run_dir()), scratch_dir=cache.artifacts_dir)
        keepers: list[Keeper[Any]] = []

        def our_use() -> int:
            vital = (os.getpid(), *pids_of(keepers))
            return residency.models_bytes + sum(anonymous_bytes(pid) for pid in vital)

        memory = MemoryReader(settings.memory_limit, our_use)
        residency = Residency(settings, store, cache, memory.read)
        stack.push_async_callback(residency.close)
        prefork = prefork_keeper(settings, files)
        server = model_server_keeper(
            settings, files, prefork, on_up=residency.attach, on_down=residency.detach
        )
        keepers += [keeper for keeper in (prefork, server) if keeper is not None]
        await stack.enter_async_context(orphans_reaped(keepers))
        async with starting(stop):
            await started(stack, settings, prefork, server)
        if not stop.is_set():
            app = make_app(settings, residency)
            on_ready(
                await stack.enter_async_context(serving(app, listener, settings.drain_timeout_s))
            )
            await until_stopped(stop, keepers)
        log.info("stopping: no new requests, running ones have %g s", settings.drain_timeout_s)
    log.info("stopped")


@contextlib.contextmanager
def _open_cache(settings: Settings) -> Iterator[ArtifactCache]:
    """The disk cache; a private one if the default one serves another endpoint already."""
    limits = ExtractionLimits(
        archive_bytes=settings.artifact_limit_bytes,
        unpacked_bytes=settings.artifact_limit_bytes,
        files=settings.artifact_limit_files,
    )
    with contextlib.ExitStack() as stack:
        try:
            cache = ArtifactCache(settings.cache_dir, limits)
        except CacheInUse as error:
            if "cache_dir" in settings.model_fields_set:
                raise
            private = stack.enter_context(tempfile.TemporaryDirectory(prefix="mme-cache-"))
            log.warning("%s; this endpoint uses %s, which goes when it stops", error, private)
            cache = ArtifactCache(Path(private), limits)
        yield stack.enter_context(cache)
