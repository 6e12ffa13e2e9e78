"""InvokeEndpointAsync, and how requests stand that were accepted by it.

The API has no target model: it is named in the header that InvokeEndpoint has for it, or in the
custom attributes. What has an answer of 202 is on the disk, or in the queue that is shared; what
becomes of it is up to `mme.jobs`.
The two routes to ask are ours, and say so in a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from multidict import istr

from mme.core.errors import EndpointError, InvalidRequest, TargetNeeded
from mme.core.pipeline_key import in_short
from mme.gateway.errors import json_answer
from mme.gateway.headers import (
    INFERENCE_ID,
    SERVICE_ACCEPT,
    SERVICE_CONTENT_TYPE,
    TARGET,
    decoded,
    passed_on,
    printable,
    target_named,
)
from mme.gateway.openapi import Body, Parameter, Result, described
from mme.gateway.openapi.describing import ANY_KIND, MODEL_FAILURES, RUNTIME
from mme.gateway.openapi.schemas import TEXT, array_of, thing
from mme.gateway.retries import INVOCATION_ID
from mme.gateway.service_model import InvocationChecks
from mme.jobs.asynchronous.messages import moment
from mme.jobs.asynchronous.request import AsyncRequest, Naming, mark_of, places_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from mme.endpoints.serving import Serving
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route
    from mme.jobs.asynchronous.request import Standing

INPUT = istr("X-Amzn-SageMaker-InputLocation")
EXTENSION = istr("X-Amzn-SageMaker-S3OutputPathExtension")
FILENAME = istr("X-Amzn-SageMaker-Filename")
TTL = istr("X-Amzn-SageMaker-RequestTTLSeconds")
TIMEOUT = istr("X-Amzn-SageMaker-InvocationTimeoutSeconds")
OUTPUT = istr("X-Amzn-SageMaker-OutputLocation")
FAILURE = istr("X-Amzn-SageMaker-FailureLocation")
OURS = istr("X-Mme-Extension")
INLINE_LIMIT_BYTES = 128_000
DEFAULT_TTL_S, DEFAULT_TIMEOUT_S = 21600, 900


class NoSuchInference(EndpointError):
    """Nothing is known of an inference id here."""

    def __init__(self, endpoint: str, inference_id: str) -> None:
        super().__init__(
            f"Nothing is known of the inference id {inference_id[:100]!r} at endpoint {endpoint!r}:"
            " it was never given, ended more than a day ago, or was given by another container that"
            " shares the queue (MME_QUEUE); the objects at its locations tell how it ended"
        )
        self.args = (endpoint, inference_id)


class Jobs(Protocol):
    """Asynchronous inference (`mme.jobs.asynchronous.service`)."""

    async def submit(self, request: AsyncRequest, body: bytes | None, ttl_s: float) -> None:
        """Queue a request; returns when it cannot be lost any more."""

    async def standing(self, endpoint: str, inference_id: str) -> Standing | None:
        """How the last request of that id stands."""

    async def metrics(self, endpoint: str) -> list[dict[str, Any]]:
        """An endpoint's metrics."""


class AsyncRuntime:
    """Handlers of the routes."""

    def __init__(
        self, serving: Serving, jobs: Jobs, normal: Callable[[str], Awaitable[str]]
    ) -> None:
        """`normal` makes `s3://bucket/key` of an input location, or raises InvalidRequest."""
        self._serving = serving
        self._jobs = jobs
        self._normal = normal
        self._checks = InvocationChecks("InvokeEndpointAsync")

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        path = "/endpoints/{endpoint}/async-invocations"
        return [
            ("POST", path, self.invoke),
            ("GET", path, self.status),
            ("GET", "/endpoints/{endpoint}/async-metrics", self.metrics),
        ]

    @described(
        Result("It is queued.", thing({"InferenceId": TEXT}), status=202),
        body=Body({}, ANY_KIND, is_required=False),
        failures=MODEL_FAILURES,
        operation="InvokeEndpointAsync",
        tag=RUNTIME,
    )
    async def invoke(self, call: Call) -> web.Response:
        """InvokeEndpointAsync. Nothing of a body is read if the head is off."""
        given = call.request.headers
        self._checks.check_name(call.name)
        self._checks.check_headers(given)
        terms = self._serving.async_terms(call.name)
        try:
            chosen = self._serving.choose(call.name, target_named(given))
        except TargetNeeded as error:
            raise error.without_parameter() from None
        call.note = f"async {in_short(chosen.key)}"
        input_uri, body = await self._input(call)
        headers = passed_on(given, content_type=SERVICE_CONTENT_TYPE, accept=SERVICE_ACCEPT)
        if chosen.target:
            headers[str(TARGET)] = printable(chosen.target)
        named = decoded(given.get(INFERENCE_ID, ""))
        same = repr((headers, given.get(FILENAME), given.get(EXTENSION)))
        mark = mark_of(
            given.get(INVOCATION_ID), call.name, named, chosen.target, same, input_uri, body
        )
        inference_id = named or mark
        places = places_of(
            terms, Naming(named, given.get(FILENAME, ""), given.get(EXTENSION, ""), mark)
        )
        request = AsyncRequest(
            endpoint=call.name,
            inference_id=inference_id,
            variant=chosen.variant,
            key=chosen.key,
            headers=headers,
            input_uri=input_uri,
            output_uri=places.output_uri,
            failure_uri=places.failure_uri,
            timeout_s=float(given.get(TIMEOUT, DEFAULT_TIMEOUT_S)),
            content_type=given.get(SERVICE_CONTENT_TYPE, ""),
            accept=given.get(SERVICE_ACCEPT, ""),
            success_topic=terms.success_topic,
            error_topic=terms.error_topic,
            responses_in=tuple(sorted(terms.responses_in)),
            mark=mark,
        )
        await self._jobs.submit(request, body or None, float(given.get(TTL, DEFAULT_TTL_S)))
        return json_answer(
            {"InferenceId": inference_id},
            202,
            {OUTPUT: printable(places.output_uri), FAILURE: printable(places.failure_uri)},
        )

    async def _input(self, call: Call) -> tuple[str, bytes]:
        """Where the input is, or "" and what it is. Raises InvalidRequest."""
        body = await call.body(INLINE_LIMIT_BYTES)
        location = call.request.headers.get(INPUT)
        if (location is None) != bool(body):
            both = "both are there" if body else "neither is there"
            raise InvalidRequest(f"Exactly one of the body and InputLocation must be there: {both}")
        return "" if location is None else await self._normal(decoded(location)), body

    @described(
        Result("How it stands.", {"type": "object"}),
        parameters=(
            Parameter("inference_id", "As InvokeEndpointAsync gave it.", is_required=True),
        ),
        tag=RUNTIME,
    )
    async def status(self, call: Call) -> web.Response:
        """How the request stands whose id is in the query, as `?inference_id=...`."""
        inference_id = call.request.query.get("inference_id", "")
        if not inference_id:
            raise InvalidRequest("Name a request in the query: ?inference_id=ID")
        standing = await self._jobs.standing(call.name, inference_id)
        if standing is None:
            raise NoSuchInference(call.name, inference_id)
        return json_answer(_told(standing), headers={OURS: "status"})

    @described(
        Result(
            "Metrics as PutMetricData takes them.",
            thing({"Namespace": TEXT, "MetricData": array_of({"type": "object"})}),
        ),
        tag=RUNTIME,
    )
    async def metrics(self, call: Call) -> web.Response:
        """The backlog and what has been counted, under CloudWatch's names."""
        return json_answer(
            {"Namespace": "AWS/SageMaker", "MetricData": await self._jobs.metrics(call.name)},
            headers={OURS: "metrics"},
        )


def _told(standing: Standing) -> dict[str, Any]:
    request = standing.request
    told = {
        "InferenceId": request.inference_id,
        "Status": standing.state.said,
        "TargetModel": request.headers.get(str(TARGET)),
        "ReceivedTime": moment(standing.received_at),
        "ExpirationTime": moment(standing.expires_at),
        "StartTime": None if standing.started_at is None else moment(standing.started_at),
        "EndTime": None if standing.ended_at is None else moment(standing.ended_at),
        "Attempts": standing.attempts,
        "InputLocation": request.input_uri or None,
        "OutputLocation": request.output_uri,
        "FailureLocation": request.failure_uri,
        "FailureReason": standing.reason or None,
    }
    return {name: value for name, value in told.items() if value is not None}
