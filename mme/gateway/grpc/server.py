"""Listens for gRPC: a port, TLS if there are files for it, and how much may come at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc

from mme.gateway.connections import Patience, most_connections
from mme.gateway.grpc.service import Service

if TYPE_CHECKING:
    from mme.core.settings import Settings
    from mme.gateway.exchange import Exchange
    from mme.gateway.tls import TlsFiles

AROUND_BYTES = 64 * 1024
"""A message may have so much more than a body: names and shapes. Bodies have their own limit."""
CONNECTIONS_SHARE = 4
"""This part of the connections that HTTP has, beside those: each carries any number of calls."""
LEAST_READ = 32
"""So many messages are waited for at a time, however small the budget of bodies is."""


class GrpcServer:
    """A port that is bound at once, and answers from `start` on. The event loop owns it."""

    def __init__(self, settings: Settings, host: str, port: int, tls: TlsFiles | None) -> None:
        """Raises RuntimeError: the port cannot be had."""
        self._message_bytes = settings.max_body_bytes + AROUND_BYTES
        most = most_connections(settings.max_connections)
        options = {
            "grpc.so_reuseport": 0,  # else two endpoints could have one port
            "grpc.max_receive_message_length": self._message_bytes,
            "grpc.max_allowed_incoming_connections": max(1, most // CONNECTIONS_SHARE),
            "grpc.max_connection_idle_ms": int(Patience(1).idle_s * 1000),
            "grpc.http2.bdp_probe": 0,  # what is not read yet stays with its sender
            "grpc.server_handshake_timeout_ms": int(Patience(1).head_s * 1000),
        }
        self._server = grpc.aio.server(options=list(options.items()), maximum_concurrent_rpcs=most)
        self._stopping: asyncio.Task[None] | None = None
        shown = f"[{host}]" if ":" in host else host
        place = f"{shown}:{port}"
        if tls is None:
            bound = self._server.add_insecure_port(place)
        else:
            bound = self._server.add_secure_port(place, _credentials(tls))
        self.place = f"{shown}:{bound}"

    async def start(self, exchange: Exchange) -> None:
        """Answer calls."""
        most_read = max(LEAST_READ, exchange.bodies.limit_bytes // self._message_bytes)
        self._server.add_generic_rpc_handlers((Service(exchange, most_read).handler(),))
        await self._server.start()

    def stop(self, drain_timeout_s: float) -> None:
        """Take no more calls; those under way have so long to end."""
        self._stopping = asyncio.create_task(self._server.stop(drain_timeout_s))

    async def stopped(self) -> None:
        """Return when they have, if it was told to stop."""
        if self._stopping is not None:
            await self._stopping


def _credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    """What the files hold when a handshake begins."""
    last = tls.held

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal last
        if tls.held is last:
            return None
        last = tls.held
        return _configuration(last)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(last), changed, require_client_authentication="authorities" in last
    )


def _configuration(held: dict[str, bytes]) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(held["key"], held["certificate"])], held.get("authorities")
    )
