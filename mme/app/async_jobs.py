"""Asynchronous inference of a standalone endpoint, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mme.app.async_queue import async_queue
from mme.core.errors import EndpointError
from mme.core.settings import SettingsError
from mme.gateway.async_runtime import AsyncRuntime
from mme.jobs.asynchronous.execution import Executor
from mme.jobs.asynchronous.messages import TEST_MESSAGE
from mme.jobs.asynchronous.metrics import Metrics
from mme.jobs.asynchronous.notifier import Notifier
from mme.jobs.asynchronous.room import Room
from mme.jobs.asynchronous.service import AsyncInference
from mme.metrics.sources import Backlog
from mme.store.object_uri import place_of
from mme.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mme.core.database import Database
    from mme.core.settings import Settings
    from mme.endpoints.control_plane import ControlPlane
    from mme.endpoints.serving import Serving
    from mme.gateway.routing import Route
    from mme.pipelines.models import PipelinedModels
    from mme.store.buckets import Buckets

THREADS = 16
PER_WORKER = 4
"""Requests of an endpoint that are executed side by side, where it says nothing else: while one
is computed others come from S3 and go there."""
ROOMS = 4
"""So many of the largest inputs may be here at a time."""
DEFAULT_REGION = "us-east-1"


@contextlib.asynccontextmanager
async def async_inference(
    settings: Settings,
    database: Database,
    plane: ControlPlane,
    serving: Serving,
    models: PipelinedModels,
    *,
    side_by_side: int,
    buckets: Buckets,
) -> AsyncIterator[tuple[list[Route], Callable[[], Backlog]]]:
    """The routes, and how the queue stands; inside the block what is queued is executed.

    Inputs and outputs are in `buckets`. Raises SettingsError.
    """
    _check(settings)
    executor = ThreadPoolExecutor(THREADS, "async")
    loop = asyncio.get_running_loop()

    def run(work: Callable[[], Any]) -> asyncio.Future[Any]:
        return loop.run_in_executor(executor, work)

    metrics, objects, notifier = Metrics(), Objects(buckets), Notifier()
    limit_bytes = settings.max_async_bytes

    async def normal(uri: str) -> str:
        return str(await run(lambda: objects.normal(uri)))

    plane.on_topic = lambda topic: _told(executor, notifier, topic)
    async with async_queue(settings, database, objects) as queue:
        execution = Executor(
            queue,
            models,
            objects,
            notifier,
            metrics,
            run=run,
            room=Room(ROOMS * limit_bytes),
            region=os.environ.get("AWS_REGION") or DEFAULT_REGION,
            limit_bytes=limit_bytes,
        )
        jobs = AsyncInference(queue, execution, metrics, _limits(settings, serving, side_by_side))
        jobs.start()
        try:
            yield AsyncRuntime(serving, jobs, normal).routes(), lambda: Backlog(*jobs.totals())
        finally:
            await jobs.close(settings.drain_timeout_s)
            executor.shutdown(wait=False, cancel_futures=True)


def _limits(settings: Settings, serving: Serving, side_by_side: int) -> Callable[[str], int]:
    """How many requests of an endpoint are executed at a time."""
    # More would only be turned away by the model's own queue, and tried again.
    most = max(1, settings.queue_length // 2)
    return lambda name: min(serving.most_concurrent(name) or PER_WORKER * side_by_side, most)


def _told(executor: ThreadPoolExecutor, notifier: Notifier, topic: str) -> None:
    executor.submit(notifier.publish, topic, TEST_MESSAGE)


def _check(settings: Settings) -> None:
    if settings.async_output:
        try:
            place_of(settings.async_output)
        except EndpointError as error:
            raise SettingsError(f"MME_ASYNC_OUTPUT: {error.message}") from error
