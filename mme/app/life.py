"""What the three modes have in common: signals, the public port, children kept, orphans reaped.

Each piece is a context manager, so that a mode reads as the order of its start and ends in the
reverse order. What is started in which order is up to the mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from mme.gateway import BodyBudget, runner_of
from mme.supervise import StartError, become_subreaper, owned_pids, reap_orphans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from mme.app.children import Engine
    from mme.core.settings import Settings
    from mme.memory import MemoryBook

log = logging.getLogger(__name__)

CANCEL_GRACE_S = 0.5
BODIES_SHARE = 8
"""Bodies may take this part of the memory."""
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a container is useless on loopback


class EndpointFailed(RuntimeError):
    """The endpoint cannot run, or not any longer; the message is its last word."""


class Vital(Protocol):
    """What the endpoint cannot do without: its end is the endpoint's."""

    @property
    def gave_up(self) -> asyncio.Event:
        """Set when it cannot be kept going."""

    @property
    def failure(self) -> str | None:
        """Why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests are really listened for."""

    host: str
    port: int
    scheme: str = "http"
    socket: str | None = None
    """The path of a Unix socket, instead of host and port."""
    management: Address | None = None
    """Where management is, if not here."""
    grpc: str = ""
    """Where gRPC is answered, as its clients are told it; "": nowhere."""

    @property
    def url(self) -> str:
        """An address to try from this machine; of a Unix socket `unix:///path`."""
        if self.socket is not None:
            return f"unix://{self.socket}"
        host = "127.0.0.1" if self.host in (ANY_ADDRESS, "::") else self.host
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def curl(self) -> str:
        """The same as the first words of a curl command, for paths to be put behind."""
        if self.socket is None:
            return self.url
        return f"--unix-socket {shlex.quote(self.socket)} http://localhost"


def stop_signals() -> asyncio.Event:
    """The event that SIGTERM and SIGINT set from now on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A socket bound before anything slow starts. Raises EndpointFailed that names `setting`."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise EndpointFailed(
            f"cannot listen on {host} port {port} ({setting}): {error.strerror}"
        ) from error
    return listener


@contextlib.asynccontextmanager
async def serving(
    app: web.Server, listener: socket.socket, drain_timeout_s: float
) -> AsyncIterator[Address]:
    """Answer requests on `listener` inside the block; at its end running ones are awaited."""
    runner = runner_of(app, drain_timeout_s)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=1024).start()
        name = listener.getsockname()
        yield Address("", 0, socket=name) if isinstance(name, str) else Address(*name[:2])
    finally:
        try:
            # It would wait as long again for those it has cancelled.
            async with asyncio.timeout(drain_timeout_s + CANCEL_GRACE_S):
                await runner.cleanup()
        except TimeoutError:
            log.warning("requests that did not end within %g s are broken off", drain_timeout_s)


def bodies_of(settings: Settings, book: MemoryBook) -> BodyBudget:
    """What the bodies of all requests under way may hold; one always fits."""
    limit_bytes = settings.max_bodies_bytes or book.reading().limit // BODIES_SHARE
    return BodyBudget(max(limit_bytes, settings.max_body_bytes))


@contextlib.asynccontextmanager
async def orphans_reaped() -> AsyncIterator[None]:
    """Collect orphans handed to us as they end, and once more at the very end."""

    def reap() -> None:
        reap_orphans(owned_pids())

    become_subreaper()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, reap)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCHLD)
        reap()


@contextlib.asynccontextmanager
async def starting(stop: asyncio.Event) -> AsyncIterator[None]:
    """A block that brings things up; `stop` ends it early. Raises EndpointFailed for StartError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as patience:
            watch = asyncio.create_task(stop.wait())
            watch.add_done_callback(
                lambda done: None if done.cancelled() else patience.reschedule(loop.time())
            )
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError:
        if not stop.is_set():
            raise
        log.info("told to stop while starting")
    except StartError as error:
        raise EndpointFailed(str(error)) from error


async def until_stopped(stop: asyncio.Event, engine: Engine, *others: Vital) -> None:
    """Return when told to stop; raises EndpointFailed when something vital cannot be kept going.

    Vital are the engine's children and `others`.
    """
    vital: tuple[Vital, ...] = (*engine.keepers, *others)
    await _first_of(stop.wait(), *(each.gave_up.wait() for each in vital))
    failures = [each.failure for each in vital if each.failure is not None]
    if failures:
        # What waits could not be answered any more: a drain would only delay the end.
        engine.workers.fail_all()
        raise EndpointFailed(failures[0])


async def until_noticed(
    stop: asyncio.Event, leaving: asyncio.Event, engine: Engine, notice_s: float
) -> None:
    """Set `leaving`, and give those that look at it so long to send their requests elsewhere.

    A second signal ends that, and so does the end of something vital, as in `until_stopped`.
    """
    leaving.set()
    if not notice_s:
        return
    log.info("stopping: ready no more; requests are taken for another %g s", notice_s)
    stop.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(notice_s):
            await until_stopped(stop, engine)


async def _first_of(*waits: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
