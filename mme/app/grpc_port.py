"""Whether and where gRPC is answered: what must be there for it, and what it cannot have.

What listens, and what it answers, is in `mme.gateway.grpc`, which is imported only where the
setting is set: it needs an extra.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from mme.app.life import EndpointFailed, bind
from mme.core.settings import SettingsError

if TYPE_CHECKING:
    from mme.core.settings import Settings
    from mme.gateway.grpc.server import GrpcServer
    from mme.gateway.tls import TlsFiles

SETTINGS = "MME_HOST, MME_GRPC_PORT"
PACKAGES = {"grpc": "grpcio", "tritonclient": "tritonclient", "google.protobuf": "protobuf"}
"""What is imported -> the package it is in."""


def check_grpc(settings: Settings) -> None:
    """Raise SettingsError for a port that could not be answered, or not as the settings want it."""
    port = settings.grpc_port
    if port is None:
        return
    if missing := [package for name, package in PACKAGES.items() if not _is_there(name)]:
        raise SettingsError(
            f"MME_GRPC_PORT={port}: gRPC needs the extra mme[grpc], of which"
            f" {', '.join(missing)} is not installed"
        )
    if settings.sigv4_keys_file is not None and settings.tokens_file is None:
        raise SettingsError(
            f"MME_GRPC_PORT={port}: MME_SIGV4_KEYS_FILE lets nobody in there, since calls of gRPC"
            " are not signed: name its callers in MME_TOKENS_FILE"
        )


def bound_grpc(settings: Settings, tls: TlsFiles | None) -> GrpcServer | None:
    """The port, if there is to be one, which answers nothing yet.

    Raises SettingsError and EndpointFailed. Needs a running event loop.
    """
    if settings.grpc_port is None:
        return None
    # Else gRPC's core writes lines of its own on stderr, as often as a handshake fails.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Else its core looks after forks, and a child process may end before it has become another.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    try:
        from mme.gateway.grpc.server import GrpcServer  # noqa: PLC0415
    except (ImportError, RuntimeError) as error:  # the client's messages know two of these
        raise SettingsError(
            f"MME_GRPC_PORT={settings.grpc_port}: what the extra mme[grpc] installs cannot be"
            f" used: {error}"
        ) from error
    bind(settings.host, settings.grpc_port, SETTINGS).close()  # says better what is wrong
    try:
        return GrpcServer(settings, settings.host, settings.grpc_port, tls)
    except RuntimeError as error:
        where = f"{settings.host} port {settings.grpc_port}"
        raise EndpointFailed(f"cannot listen on {where} ({SETTINGS}): {error}") from error


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # what it is in is not there either
        return False
