"""The queue of asynchronous requests that the settings ask for, open as long as it is used."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from mme.core.settings import SettingsError
from mme.jobs.asynchronous.database_queue import DatabaseQueue
from mme.jobs.asynchronous.sqs import QueueUnavailable, Sqs
from mme.jobs.asynchronous.sqs_address import queue_address
from mme.jobs.asynchronous.sqs_outcomes import outcome_of
from mme.jobs.asynchronous.sqs_queue import SqsQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mme.core.database import Database
    from mme.core.settings import Settings
    from mme.jobs.asynchronous.queue import Queue
    from mme.store.objects import Objects

log = logging.getLogger(__name__)

THREADS = 16
"""For calls of SQS: one waits for messages, the others accept and end requests."""


@contextlib.asynccontextmanager
async def async_queue(
    settings: Settings, database: Database, objects: Objects
) -> AsyncIterator[Queue]:
    """The queue; whoever takes requests from it closes it. Raises SettingsError."""
    kept = await DatabaseQueue.open(database)
    if not settings.queue:
        yield kept
        return
    if left := kept.waiting_in_all():
        log.warning("%d requests wait in MME_STATE_DIR until MME_QUEUE is not set", left)
    try:
        sqs = Sqs(queue_address(settings.queue), THREADS)
    except ValueError as error:
        raise SettingsError(f"MME_QUEUE={error}") from error
    executor, loop = ThreadPoolExecutor(THREADS, "sqs"), asyncio.get_running_loop()

    def run(work: Callable[[], Any]) -> asyncio.Future[Any]:
        return loop.run_in_executor(executor, work)

    def ended(request: Any) -> Any:
        return outcome_of(request, objects)

    try:
        try:
            queue = await SqsQueue(sqs, run, ended, settings.queue_lease_s).open()
        except QueueUnavailable as error:
            raise SettingsError(error.message) from error
        yield queue
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
