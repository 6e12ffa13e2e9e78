"""InvokeEndpointWithResponseStream: a model's answer in frames, each as soon as it is there.

Until the first byte of the model's answer an error is answered as any other invocation's; then the
status has been sent, and an error is the last frame. The API has no target model: it is named in
the header that InvokeEndpoint has for it, or in the custom attributes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from aiohttp import hdrs, web

from mme.core.answer import Answer
from mme.core.errors import EndpointError, ModelTimedOut, TargetNeeded
from mme.core.pipeline_key import in_short
from mme.core.steps import steps_of
from mme.core.terms import Terms
from mme.gateway import event_stream
from mme.gateway.errors import message_of
from mme.gateway.event_stream import ErrorCode
from mme.gateway.headers import (
    CONTENT_TYPE,
    CUSTOM_ATTRIBUTES,
    SAMPLE,
    SERVICE_ACCEPT,
    SERVICE_CONTENT_TYPE,
    TARGET,
    TARGET_CONTAINER,
    TARGET_VARIANT,
    VARIANT,
    passed_back,
    passed_on,
    printable,
    step_headers,
    target_named,
    version_headers,
)
from mme.gateway.openapi import Body, Result, described
from mme.gateway.openapi.describing import ANY_KIND, MODEL_FAILURES, RUNTIME
from mme.gateway.passing import Passing
from mme.gateway.reply import is_success
from mme.gateway.service_errors import ORIGINAL_MESSAGE_CHARS, model_error_of
from mme.gateway.service_model import InvocationChecks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.core.parts import Parts
    from mme.core.settings import Settings
    from mme.endpoints.serving import Chosen, Serving
    from mme.gateway.connections import Connection
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

log = logging.getLogger(__name__)

LIMIT_BYTES = 1 << 31
"""Of a whole answer: what a worker may say at most. No more than a few pieces lie here at once."""


class Streaming:
    """The handler of the route."""

    def __init__(
        self, settings: Settings, serving: Serving, is_sample: Callable[[str], bool]
    ) -> None:
        """`is_sample` as in `Runtime`."""
        self._is_sample = is_sample
        self._max_body_bytes = settings.max_body_bytes
        self._timeout_s = settings.stream_timeout_s
        self._serving = serving
        self._checks = InvocationChecks("InvokeEndpointWithResponseStream")

    def routes(self) -> list[Route]:
        """The route of this surface."""
        return [("POST", "/endpoints/{endpoint}/invocations-response-stream", self.invoke)]

    @described(
        Result("Frames of the event stream's encoding.", {}, (event_stream.CONTENT_TYPE,)),
        body=Body({}, ANY_KIND, is_required=False),
        failures=MODEL_FAILURES,
        operation="InvokeEndpointWithResponseStream",
        tag=RUNTIME,
    )
    async def invoke(self, call: Call) -> web.StreamResponse:
        """InvokeEndpointWithResponseStream. Nothing of a body is read if the head is off."""
        given = call.request.headers
        self._checks.check_name(call.name)
        self._checks.check_headers(given)
        chosen = self._choose(call.name, given)
        asked = call.asks(in_short(chosen.key))
        body = await call.body(self._max_body_bytes)
        headers = passed_on(given, accept=SERVICE_ACCEPT)
        if chosen.target:
            headers[str(TARGET)] = printable(chosen.target)
        frames = _Frames(call, chosen, self._is_sample)
        async with Passing(frames.pass_on) as passing:
            try:
                terms = Terms(
                    self._timeout_s, LIMIT_BYTES, passing.parts, request_id=call.request_id
                )
                answer = await self._serving.invoke(chosen, headers, body, terms)
            except Exception as error:
                if not await passing.written():
                    raise
                if isinstance(error, EndpointError):
                    call.note = error.for_log
                    asked.failed(error)
                return await frames.end(_last_frame(error))
            asked.answered(answer)
            if not is_success(answer):
                call.note = f"{answer.who} answered {answer.status}"
            if await passing.written():
                last = _rest(answer) if is_success(answer) else _broken_off(answer)
                return await frames.end(last)
        if is_success(answer):
            return await frames.whole(answer)
        refused = model_error_of(answer)
        refused.headers.update(version_headers(chosen, answer.target, answer.version))
        return refused

    def _choose(self, endpoint: str, given: Mapping[str, str]) -> Chosen:
        target = target_named(given)
        self._serving.check_real_time(endpoint)
        try:
            variant, container = given.get(TARGET_VARIANT), given.get(TARGET_CONTAINER)
            return self._serving.choose(endpoint, target, variant, container)
        except TargetNeeded as error:
            raise error.without_parameter() from None


class _Frames:
    """One answer as it is written."""

    def __init__(self, call: Call, chosen: Chosen, is_sample: Callable[[str], bool]) -> None:
        self._is_sample = is_sample
        self._call = call
        self._chosen = chosen
        self._stream = web.StreamResponse()

    async def pass_on(self, parts: Parts) -> None:
        """Write the head, and pieces as long as they come."""
        begun = Answer(200, parts.headers, b"", False, parts.target, parts.version)
        await self._begin(begun)
        while (piece := await parts.next()) is not None:
            await self._send(piece)

    async def whole(self, answer: Answer) -> web.StreamResponse:
        """Write an answer that has not come in pieces."""
        await self._begin(answer)
        self._call.share.hold(len(answer.body))
        await self._send(answer.body)
        return await self.end(b"")

    async def end(self, frame: bytes) -> web.StreamResponse:
        """Write the last."""
        await self._stream.write_eof(frame)
        return self._stream

    async def _begin(self, answer: Answer) -> None:
        headers, back = self._stream.headers, passed_back(answer)
        headers[hdrs.CONTENT_TYPE] = event_stream.CONTENT_TYPE
        headers[SERVICE_CONTENT_TYPE] = back.get(CONTENT_TYPE, "")
        if CUSTOM_ATTRIBUTES in back:
            headers[CUSTOM_ATTRIBUTES] = back[CUSTOM_ATTRIBUTES]
        headers[VARIANT] = self._chosen.variant
        headers.update(version_headers(self._chosen, answer.target, answer.version))
        headers.update(step_headers(steps_of(answer)))
        if self._is_sample(answer.target or self._chosen.key):
            headers[SAMPLE] = "true"
        self._call.sign(self._stream)
        await self._stream.prepare(self._call.request)

    async def _send(self, piece: bytes) -> None:
        for frame in event_stream.part_frames(piece):
            await self._stream.write(frame)
            cast("Connection", self._call.request.protocol).moves_on()


def _last_frame(error: Exception) -> bytes:
    """What ends a stream that has begun."""
    if isinstance(error, EndpointError):
        timed_out = isinstance(error, ModelTimedOut)
        code = ErrorCode.TIMED_OUT if timed_out else ErrorCode.BROKEN
        return event_stream.model_error(error.message, code)
    log.error("a stream broke off", exc_info=error)
    return event_stream.internal_failure(message_of(error, "The endpoint"))


def _rest(answer: Answer) -> bytes:
    return b"".join(event_stream.part_frames(answer.body))


def _broken_off(answer: Answer) -> bytes:
    text = answer.body.decode("utf-8", "replace")[:ORIGINAL_MESSAGE_CHARS]
    message = (
        f'{answer.who.capitalize()} broke off with status {answer.status} and message "{text}"'
    )
    return event_stream.model_error(message, ErrorCode.BROKEN)
