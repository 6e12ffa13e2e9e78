"""Where the standalone endpoint listens: a port or a socket, ports for management and gRPC, TLS.

Sockets are bound before anything slow starts, so that one that is taken ends the start at once. A
Unix socket accepts from then on, and its callers wait until the endpoint is ready: only so does
another start see that somebody has it. Who answers what is up to `mme.gateway.app`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mme.app.grpc_port import bound_grpc, check_grpc
from mme.app.life import Address, EndpointFailed, bind, serving
from mme.core.background import BackgroundTasks
from mme.core.settings import SettingsError
from mme.gateway.tls import TlsFiles, TlsPaths

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mme.cache.threads import Run
    from mme.core.settings import Settings
    from mme.gateway.connections import Door
    from mme.gateway.exchange import Exchange
    from mme.gateway.grpc.server import GrpcServer

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""How often it is looked whether the files of TLS have changed."""
MANAGEMENT_DRAIN_S = 2.0
"""At the end management is left last; who follows events there keeps nobody waiting."""
SOCKET_MODE = 0o660
SOCKET_PATH_BYTES = 107
BACKLOG = 1024
TRY_TIMEOUT_S = 1.0
NEEDS = {
    "tls_key": "tls_cert",
    "tls_client_ca": "tls_cert",
    "management_host": "management_port",
}
"""Settings that say nothing without another one."""
STANDALONE_ONLY = (
    "socket",
    "management_port",
    "grpc_port",
    "tls_cert",
    "tokens_file",
    "sigv4_keys_file",
    "rate_limit",
    "concurrency_limit",
    "buckets",
)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Sockets that are bound, and what TLS is spoken on ports by."""

    public: socket.socket
    management: socket.socket | None
    tls: TlsFiles | None
    grpc: GrpcServer | None = None


@contextlib.contextmanager
def listeners(settings: Settings) -> Iterator[Listeners]:
    """Bind what the settings name. Raises EndpointFailed and SettingsError."""
    check_settings(settings)
    tls = None
    if settings.tls_cert is not None:
        key = settings.tls_key or settings.tls_cert
        tls = TlsFiles(TlsPaths(settings.tls_cert, key, settings.tls_client_ca))
    with contextlib.ExitStack() as stack:
        public = stack.enter_context(
            bind(settings.host, settings.port, "MME_HOST, MME_PORT")
            if settings.socket is None
            else bound_socket(settings.socket)
        )
        management = None
        if settings.management_port is not None:
            host = settings.management_host or settings.host
            names = "MME_MANAGEMENT_HOST, MME_MANAGEMENT_PORT"
            management = stack.enter_context(bind(host, settings.management_port, names))
        yield Listeners(public, management, tls, bound_grpc(settings, tls))


@contextlib.asynccontextmanager
async def answering(
    app: Door, at: Listeners, run: Run, drain_timeout_s: float, calls: Exchange | None = None
) -> AsyncIterator[Address]:
    """Answer requests inside the block; at its end running ones are awaited.

    `calls` is what those of gRPC go through, where that is answered.
    """
    scheme = "http" if at.tls is None else "https"
    async with contextlib.AsyncExitStack() as stack:
        if at.tls is not None:
            watching = BackgroundTasks()
            watching.start(_keep_up(at.tls, run))
            stack.push_async_callback(watching.close)
        management = None
        if at.management is not None and app.management is not None:
            _speak(app.management, at.management, at.tls)
            drain_s = min(drain_timeout_s, MANAGEMENT_DRAIN_S)
            management = replace(
                await stack.enter_async_context(serving(app.management, at.management, drain_s)),
                scheme=scheme,
            )
        _speak(app, at.public, at.tls)
        if at.grpc is not None:
            stack.push_async_callback(at.grpc.stopped)
        public = await stack.enter_async_context(serving(app, at.public, drain_timeout_s))
        if at.grpc is None or calls is None:
            yield replace(public, scheme=scheme, management=management)
            return
        await at.grpc.start(calls)
        stack.callback(at.grpc.stop, drain_timeout_s)  # HTTP's requests end meanwhile
        log.info("gRPC is answered at %s", at.grpc.place)
        yield replace(public, scheme=scheme, management=management, grpc=at.grpc.place)


def warn_of_unused(settings: Settings, mode: str) -> None:
    """Say which of these settings mean nothing in a container whose platform decides."""
    if unused := [f"MME_{each.upper()}" for each in STANDALONE_ONLY if getattr(settings, each)]:
        log.warning("%s: of no effect in a %s", ", ".join(unused), mode)


@contextlib.contextmanager
def bound_socket(path: Path) -> Iterator[socket.socket]:
    """A Unix socket that accepts, its file gone at the end. Raises EndpointFailed."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        _make_room(path)
        listener.bind(os.fspath(path))
        made = path.lstat()
        path.chmod(SOCKET_MODE)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot(path, error.strerror or str(error)) from error
    except EndpointFailed:
        listener.close()
        raise
    try:
        yield listener
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            if os.path.samestat(made, path.lstat()):
                path.unlink()


def _make_room(path: Path) -> None:
    """Remove a socket that nobody listens on. Raises EndpointFailed for anything else there."""
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise _cannot(path, f"a socket's path has at most {SOCKET_PATH_BYTES} bytes")
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise _cannot(path, "something is there that is no socket")
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(TRY_TIMEOUT_S)
        try:
            other.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
        except TimeoutError:
            raise _cannot(path, "another process listens there") from None
        else:
            raise _cannot(path, "another process listens there")


def _cannot(path: Path, reason: str) -> EndpointFailed:
    return EndpointFailed(f"cannot listen on {path} (MME_SOCKET): {reason}")


def check_settings(settings: Settings) -> None:
    """Raise SettingsError for a setting that would do nothing."""
    for name, other in NEEDS.items():
        value = getattr(settings, name)
        if value is not None and getattr(settings, other) is None:
            raise SettingsError(
                f"MME_{name.upper()}={str(value)!r} says nothing without MME_{other.upper()}"
            )
    check_grpc(settings)
    ports = (settings.management_port, settings.grpc_port)
    if settings.tls_cert is not None and settings.socket and ports == (None, None):
        raise SettingsError(
            f"MME_TLS_CERT={str(settings.tls_cert)!r}: TLS is spoken on ports only, and MME_SOCKET"
            " takes the place of the only one"
        )


def _speak(door: Door, listener: socket.socket, tls: TlsFiles | None) -> None:
    """Have a door speak TLS on a port; on a Unix socket nobody could listen in."""
    if tls is not None and listener.family != socket.AF_UNIX:
        door.speak_tls(lambda: tls.context)


async def _keep_up(tls: TlsFiles, run: Run) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        await run(tls.look)
