"""The metrics and the health of an endpoint in each mode: what they are read from, who is told."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from mme.app.modes import Mode
from mme.app.tracing import traced
from mme.core.version import VERSION
from mme.gateway.health import Health
from mme.gateway.metrics import MetricsSurface
from mme.metrics.cloudwatch import CloudWatch
from mme.metrics.emf import Emitter
from mme.metrics.exposition import Exposition
from mme.metrics.sources import Sources
from mme.residency.status import States

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from mme.app.children import Engine
    from mme.core.durations import Durations
    from mme.core.settings import Settings
    from mme.gateway.bodies import BodyBudget
    from mme.gateway.routing import Route
    from mme.metrics.http_counts import HttpCounts
    from mme.metrics.sources import Backlog
    from mme.residency.store_models import StoreModels


LEAVING = "the endpoint is told to stop"


class Measured:
    """What is measured of one endpoint."""

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        is_ready: Callable[[float], Awaitable[bool]],
        is_leaving: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_ready`: whether requests can be answered, as known within so many seconds.

        `is_leaving`: whether further requests had better go elsewhere.
        """
        self._settings = settings
        self._sources = sources
        cloudwatch = CloudWatch(sources)
        self._emitter = Emitter(cloudwatch, sources, _on_stdout)
        exposition = Exposition(sources, settings.metrics_models)
        health = Health(lambda: LEAVING if is_leaving() else sources.state().missing, is_ready)
        self.routes: list[Route] = [
            *MetricsSurface(exposition, cloudwatch).routes(),
            *health.routes(),
        ]
        """Where it is told."""

    @property
    def counts(self) -> HttpCounts:
        """Where HTTP requests are counted."""
        return self._sources.http

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside the block those are told who do not ask."""
        emits = self._settings.emf == "on" or (
            self._settings.emf == "auto" and self._sources.mode != Mode.STANDALONE.value
        )
        async with contextlib.AsyncExitStack() as stack:
            if emits:
                await stack.enter_async_context(self._emitter.running())
            await stack.enter_async_context(traced(self._sources, os.environ))
            yield


def measured_store(
    settings: Settings,
    models: StoreModels,
    backlog: Callable[[], Backlog],
    bodies: BodyBudget,
    steps: Mapping[tuple[str, str], Durations],
    *,
    is_leaving: Callable[[], bool],
) -> Measured:
    """Of a standalone endpoint; `steps` as in `Sources`, `is_leaving` as in `Measured`."""
    sources = Sources(
        observed=models.observed,
        state=models.states.now,
        mode=Mode.STANDALONE.value,
        version=VERSION,
        store_error=lambda: models.store_error,
        backlog=backlog,
        bodies=lambda: (bodies.held_bytes, bodies.limit_bytes),
        steps=steps,
        endpoint_names=settings.endpoint_names,
    )
    return Measured(settings, sources, models.is_ready, is_leaving)


def measured_container(
    settings: Settings,
    engine: Engine,
    mode: Mode,
    is_ready: Callable[[float], Awaitable[bool]],
    *,
    loaded_models: Callable[[], int],
    bodies: BodyBudget,
) -> Measured:
    """Of a container; `loaded_models`: how many the platform has loaded."""
    states = States(
        engine.observed,
        engine.workers,
        engine.book,
        None,
        disk_limit_bytes=None,
        downloading=lambda: 0,
    )
    sources = Sources(
        observed=engine.observed,
        state=states.now,
        mode=mode.value,
        version=VERSION,
        bodies=lambda: (bodies.held_bytes, bodies.limit_bytes),
        loaded_models=loaded_models,
        endpoint_names=settings.endpoint_names,
    )
    return Measured(settings, sources, is_ready)


def _on_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
