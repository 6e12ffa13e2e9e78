"""One asynchronous request from the queue to its end: input, model, output, who is told.

At least once: where the endpoint ends in between, all of it is done again, to the same object.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mme.core.errors import EndpointError, StoreUnavailable
from mme.core.invocation_log import Asked, Work, noted
from mme.core.pipeline_key import in_short
from mme.core.terms import Terms
from mme.jobs.asynchronous import messages
from mme.jobs.asynchronous.outcomes import (
    expired,
    failure_of,
    given_up,
    is_passing,
    pause_s,
)
from mme.jobs.asynchronous.request import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mme.core.answer import Answer
    from mme.jobs.asynchronous.metrics import Metrics, VariantMetrics
    from mme.jobs.asynchronous.outcomes import Failure
    from mme.jobs.asynchronous.queue import Queue
    from mme.jobs.asynchronous.request import Entry
    from mme.jobs.asynchronous.room import Room
    from mme.store.objects import ObjectFacts

log = logging.getLogger(__name__)

Result = TypeVar("Result")
TEXT = "text/plain; charset=utf-8"
CONTENT_TYPE = "Content-Type"
NO_TYPES = ("binary/octet-stream", "application/octet-stream")
"""What S3 calls an object that was put there without a type."""


class Models(Protocol):
    """The engine."""

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Answer:
        """Answer one request. Raises EndpointError."""


class Objects(Protocol):
    """S3 (`mme.store.objects`); blocking."""

    def get(self, uri: str, limit_bytes: int) -> tuple[bytes, ObjectFacts]:
        """The whole content, and its type."""

    def write(self, uri: str, body: bytes, content_type: str = "") -> None:
        """Make an object."""


class Topics(Protocol):
    """SNS (`notifier.py`); blocking."""

    def publish(self, topic: str, message: Mapping[str, Any]) -> bool:
        """Send a message; whether it was taken."""


class Executor:
    """Executes requests of a queue. The event loop owns it."""

    def __init__(
        self,
        queue: Queue,
        models: Models,
        objects: Objects,
        topics: Topics,
        metrics: Metrics,
        *,
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        room: Room,
        region: str,
        limit_bytes: int,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`run` does blocking calls; inputs and answers have at most `limit_bytes`."""
        self._queue = queue
        self._models = models
        self._objects = objects
        self._topics = topics
        self._metrics = metrics
        self._run = run
        self._room = room
        self._region = region
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._sleep = sleep

    async def execute(self, entry: Entry) -> None:
        """Bring a claimed request to its end, or back into the queue."""
        began = self._clock()
        metrics = self._metrics.of(entry.request.endpoint, entry.request.variant)
        if entry.expires_at <= began:
            metrics.count("ExpiredRequests")
            await self._fail(entry, State.EXPIRED, expired(entry.attempts - 1))
            return
        if entry.attempts == 1:
            metrics.took("TimeInBacklog", max(0.0, began - entry.received_at))
        async with self._room.held(self._limit_bytes if entry.body is None else 0) as share:
            try:
                body, content_type = await self._input(entry, metrics)
                share.shrink_to(len(body))
                request = entry.request
                asked = Asked(in_short(request.key), "", request.inference_id)
                terms = Terms(request.timeout_s, self._limit_bytes)
                headers = {
                    **({CONTENT_TYPE: content_type} if content_type else {}),
                    **request.headers,
                }
                outcome: Answer | EndpointError = await noted(
                    Work("async", request.endpoint, asked),
                    terms,
                    partial(self._models.invoke, request.key, headers, body),
                )
            except EndpointError as error:
                if is_passing(error):
                    await self._try_later(entry, error, metrics)
                    return
                outcome = error
            await self._answered(entry, outcome, metrics)
        metrics.took("TotalProcessingTime", max(0.0, self._clock() - began))

    async def _input(self, entry: Entry, metrics: VariantMetrics) -> tuple[bytes, str]:
        """The body, and the type of the object it was, which counts if the caller gave none."""
        if entry.body is not None:
            return entry.body, ""
        began = self._clock()
        uri, limit_bytes = entry.request.input_uri, self._limit_bytes
        try:
            body, facts = await self._run(lambda: self._objects.get(uri, limit_bytes))
        except EndpointError:
            metrics.count("RequestDownloadFailures")
            raise
        metrics.took("RequestDownloadLatency", max(0.0, self._clock() - began))
        return body, "" if facts.content_type in NO_TYPES else facts.content_type

    async def _try_later(self, entry: Entry, error: EndpointError, metrics: VariantMetrics) -> None:
        if entry.is_last:
            metrics.count("InvocationFailures")
            await self._fail(entry, State.FAILED, given_up(entry.attempts, error))
            return
        due_at = self._clock() + pause_s(entry.attempts)
        log.info("async request %s is tried again: %s", entry.request.inference_id, error.for_log)
        await self._queue.put_back(entry, min(due_at, entry.expires_at))

    async def _answered(
        self, entry: Entry, outcome: Answer | EndpointError, metrics: VariantMetrics
    ) -> None:
        failure = failure_of(outcome)
        if failure is not None or isinstance(outcome, EndpointError):
            assert failure is not None  # noqa: S101 - an error is one
            metrics.count("InvocationFailures")
            await self._fail(entry, State.FAILED, failure)
            return
        content_type = outcome.headers.get("content-type", "")
        error = await self._written(entry.request.output_uri, outcome.body, content_type, metrics)
        if error is not None:
            await self._fail(entry, State.FAILED, error)
            return
        metrics.count("InvocationsProcesssed")
        message = messages.completed(entry, self._region, self._clock(), content_type, outcome.body)
        await self._tell(entry.request.success_topic, message, metrics)
        await self._end(entry, State.COMPLETED, "")

    async def _fail(self, entry: Entry, state: State, failure: Failure) -> None:
        request = entry.request
        metrics = self._metrics.of(request.endpoint, request.variant)
        await self._written(request.failure_uri, failure.body.encode(), TEXT, metrics)
        message = messages.failed(
            entry, self._region, self._clock(),
            status=state.said, reason=failure.reason, error=failure.body,
        )  # fmt: skip
        await self._tell(request.error_topic, message, metrics)
        await self._end(entry, state, failure.reason)

    async def _written(
        self, uri: str, body: bytes, content_type: str, metrics: VariantMetrics
    ) -> Failure | None:
        """Write an object, however long S3 takes to be there; why it cannot be, if so."""
        attempts = 0
        began = self._clock()
        while True:
            attempts += 1
            try:
                await self._run(lambda: self._objects.write(uri, body, content_type))
            except StoreUnavailable as error:
                log.warning("%s; it is tried again", error.message)
                metrics.count("ResponseUploadFailures")
                await self._sleep(pause_s(attempts))
            except EndpointError as error:
                log.warning("an answer cannot be written: %s", error.message)
                metrics.count("ResponseUploadFailures")
                return failure_of(error)
            else:
                metrics.took("ResponseUploadLatency", max(0.0, self._clock() - began))
                return None

    async def _tell(self, topic: str, message: Mapping[str, Any], metrics: VariantMetrics) -> None:
        if topic and not await self._run(lambda: self._topics.publish(topic, message)):
            metrics.count("NotificationFailures")

    async def _end(self, entry: Entry, state: State, reason: str) -> None:
        request, now = entry.request, self._clock()
        await self._queue.end(entry, state, now, reason)
        log.info(
            "async %s %s %s %.1f ms %s",
            request.endpoint,
            state.said,
            in_short(request.key),
            (now - entry.received_at) * 1000,
            request.inference_id,
        )
