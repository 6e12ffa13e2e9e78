"""The open inference protocol by gRPC over a fake engine, and Triton's own client of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.aio import InferenceServerClient

from mme.endpoints.serving import Serving
from mme.gateway import make_grpc_exchange
from mme.gateway.grpc.server import GrpcServer
from mme.gateway.open_inference import open_inference_routes
from mme.metrics.http_counts import HttpCounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mme.core.settings import Settings
    from mme.gateway import BodyBudget
    from mme.gateway.gate import Gate
    from mme.gateway.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class ServedGrpc:
    """A port of gRPC, its client, and what was counted."""

    server: GrpcServer
    client: InferenceServerClient
    channel: grpc.aio.Channel
    counts: HttpCounts

    async def call(self, name: str, message: Any, **more: Any) -> Any:
        """One call as it is on the wire; its message back."""
        method = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name[name]
        call = self.channel.unary_unary(
            f"/inference.GRPCInferenceService/{name}",
            request_serializer=lambda sent: sent.SerializeToString(),
            response_deserializer=getattr(pb, method.output_type.name).FromString,
        )
        return await call(message, **more)


@contextlib.asynccontextmanager
async def served_grpc(
    settings: Settings,
    engine: Any,
    bodies: BodyBudget,
    *,
    gate: Gate | None = None,
    tls: TlsFiles | None = None,
) -> AsyncIterator[ServedGrpc]:
    """Serve on a port of this machine inside the block."""
    routes = open_inference_routes(settings, engine, Serving(settings, engine), lambda _: False)
    counts = HttpCounts()
    server = GrpcServer(settings, "127.0.0.1", 0, tls)
    await server.start(make_grpc_exchange(settings, routes, bodies, gate=gate, counts=counts))
    try:
        async with (
            InferenceServerClient(server.place) as client,
            grpc.aio.insecure_channel(server.place) as channel,
        ):
            yield ServedGrpc(server, client, channel, counts)
    finally:
        server.stop(0.5)
        await server.stopped()
