"""The standalone endpoint as a whole: what is started in which order, watched, and taken down.

Start: store, cache, port, prefork server and model server, gateway. End: the reverse, with a
deadline for running requests. Vital children are started again when they die; when one dies too
often the endpoint gives up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mme.cache import ArtifactCache, CacheInUse, ExtractionLimits
from mme.cli.children import model_server_keeper, prefork_keeper
from mme.core.memory import MemoryReader, anonymous_bytes
from mme.gateway import make_app
from mme.residency import Residency
from mme.store import open_store
from mme.supervise import Keeper, StartError, become_subreaper, reap_orphans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator

    from mme.core.settings import Settings

log = logging.getLogger(__name__)


class EndpointFailed(RuntimeError):
    """The endpoint cannot run, or not any longer; the message is its last word."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the gateway really listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """An address to try from this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


async def run_endpoint(settings: Settings, on_ready: Callable[[Address], None]) -> None:
    """Run the endpoint until SIGTERM or SIGINT. Raises EndpointFailed."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    become_subreaper()
    async with contextlib.AsyncExitStack() as stack:
        try:
            store = open_store(settings.store)
            cache = stack.enter_context(_open_cache(settings))
        except (ValueError, OSError, CacheInUse) as error:
            raise EndpointFailed(str(error)) from error
        listener = stack.enter_context(_bind(settings.host, settings.port))
        run_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mme-")))
        keepers: list[Keeper[Any]] = []

        def own_pids() -> set[int]:
            return {keeper.child.pid for keeper in keepers if keeper.child is not None}

        def our_use() -> int:
            vital = (os.getpid(), *own_pids())
            return residency.models_bytes + sum(anonymous_bytes(pid) for pid in vital)

        memory = MemoryReader(settings.memory_limit, our_use)
        residency = Residency(settings, store, cache, memory.read)
        stack.push_async_callback(residency.close)
        prefork = prefork_keeper(settings, run_dir) if settings.workers == "prefork" else None
        server = model_server_keeper(
            settings, run_dir, prefork, residency, scratch_dir=cache.artifacts_dir
        )
        keepers += [keeper for keeper in (prefork, server) if keeper is not None]
        await stack.enter_async_context(_orphans_reaped(own_pids))
        try:
            for keeper in keepers:
                await stack.enter_async_context(keeper.running())
            if prefork is not None and prefork.child is not None:
                await _unless(stop, prefork.child.wait_until_ready(settings.start_timeout_s))
        except StartError as error:
            raise EndpointFailed(str(error)) from error
        if not stop.is_set():
            address = await stack.enter_async_context(_gateway(settings, residency, listener))
            on_ready(address)
            await _first_of(stop.wait(), *(keeper.gave_up.wait() for keeper in keepers))
        failures = [keeper.failure for keeper in keepers if keeper.failure is not None]
        if failures:
            raise EndpointFailed(failures[0])
        log.info("stopping: no new requests, running ones have %g s", settings.drain_timeout_s)
    log.info("stopped")


@contextlib.asynccontextmanager
async def _gateway(
    settings: Settings, residency: Residency, listener: socket.socket
) -> AsyncIterator[Address]:
    """Answer requests on `listener` inside the block; at its end running ones are awaited."""
    runner = web.AppRunner(
        make_app(settings, residency),
        access_log=None,
        shutdown_timeout=settings.drain_timeout_s,
        # A target may have 1,024 characters, four bytes each; custom attributes another 1,024.
        max_field_size=16384,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=1024).start()
        host, port = listener.getsockname()[:2]
        yield Address(host, port)
    finally:
        await runner.cleanup()


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


def _bind(host: str, port: int) -> socket.socket:
    """The gateway's socket, bound before anything slow starts. Raises EndpointFailed."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise EndpointFailed(
            f"cannot listen on {host} port {port} (MME_HOST, MME_PORT): {error.strerror}"
        ) from error
    return listener


@contextlib.asynccontextmanager
async def _orphans_reaped(own_pids: Callable[[], Collection[int]]) -> AsyncIterator[None]:
    """Collect orphans handed to us as they end, and once more at the very end."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, lambda: reap_orphans(own_pids()))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCHLD)
        reap_orphans(own_pids())


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Await `work`, but no longer than until `stop`."""
    task = asyncio.ensure_future(work)
    await _first_of(stop.wait(), asyncio.shield(task))
    if task.done():
        task.result()
    else:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _first_of(*waits: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
