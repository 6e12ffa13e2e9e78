"""What a standalone endpoint answers: the routes of all its parts, on HTTP and on gRPC.

Where it listens is `listening.py`'s; what starts before, and ends afterwards, `standalone.py`'s.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.app.async_jobs import async_inference
from mme.app.life import bodies_of
from mme.app.metrics import measured_store
from mme.app.pipelines import pipelined
from mme.app.seeing import seeing_routes
from mme.app.transform import transform_jobs
from mme.endpoints.places import with_places_checked
from mme.endpoints.serving import Serving
from mme.gateway import make_app, make_grpc_exchange
from mme.gateway.open_inference import open_inference_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from mme.app.children import Engine
    from mme.core.database import Database
    from mme.core.settings import Settings
    from mme.endpoints.control_plane import ControlPlane
    from mme.gateway.connections import Door
    from mme.gateway.exchange import Exchange
    from mme.gateway.gate import Gate
    from mme.pipelines.definition import Pipeline
    from mme.residency.store_models import StoreModels
    from mme.store.buckets import Buckets


@dataclass(frozen=True, slots=True)
class Parts:
    """What answers are made of."""

    settings: Settings
    engine: Engine
    models: StoreModels
    plane: ControlPlane
    database: Database
    pipelines: Mapping[str, Pipeline]
    gate: Gate | None
    buckets: Buckets
    is_sample: Callable[[str], bool]
    scratch: Path


@contextlib.asynccontextmanager
async def surface(
    parts: Parts, is_leaving: Callable[[], bool]
) -> AsyncIterator[tuple[Door, Exchange | None]]:
    """What answers on HTTP and, where that is wanted, on gRPC; inside the block jobs are done.

    `is_leaving`: whether further requests had better go elsewhere. Raises SettingsError.
    """
    settings, models, plane = parts.settings, parts.models, parts.plane
    bodies = bodies_of(settings, parts.engine.book)
    async with contextlib.AsyncExitStack() as stack:
        asked = await stack.enter_async_context(
            pipelined(settings, parts.pipelines, models, plane.names())
        )
        transforms = await stack.enter_async_context(
            transform_jobs(parts.database, plane.records, asked, parts.scratch, parts.buckets)
        )
        names = Serving(settings, asked, plane, pipelines=asked)
        asynchronous, backlog = await stack.enter_async_context(
            async_inference(
                settings, parts.database, plane, names, asked,
                side_by_side=parts.engine.workers.side_by_side, buckets=parts.buckets,
            )
        )  # fmt: skip
        measured = measured_store(
            settings, models, backlog, bodies, asked.durations, is_leaving=is_leaving
        )
        tensors = open_inference_routes(settings, models, names, parts.is_sample)
        seeing = seeing_routes(models, parts.pipelines, settings.trace_requests)
        app = make_app(
            settings, models, names, bodies,
            with_places_checked({**plane.operations(), **transforms}, parts.buckets.check),
            asynchronous=asynchronous, more=[*seeing, *measured.routes, *tensors],
            is_sample=asked.of_any(parts.is_sample), pipelines=parts.pipelines,
            gate=parts.gate, counts=measured.counts,
        )  # fmt: skip
        calls = None
        if settings.grpc_port is not None:
            calls = make_grpc_exchange(
                settings, tensors, bodies, gate=parts.gate, counts=measured.counts
            )
        await stack.enter_async_context(measured.running())
        yield app, calls
