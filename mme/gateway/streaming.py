"""InvokeEndpointWithResponseStream: a model's answer in frames, each as soon as it is there.

Until the first byte of the model's answer an error is answered as any other invocation's; then the
status has been sent, and an error is the last frame. The API has no target model: it is named in
the header that InvokeEndpoint has for it, or in the custom attributes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from aiohttp import hdrs, web

from mme.core.answer import Answer
from mme.core.errors import EndpointError, EndpointNotFound, InvalidRequest, ModelTimedOut
from mme.core.parts import Parts
from mme.core.terms import Terms
from mme.gateway import event_stream
from mme.gateway.errors import message_of
from mme.gateway.event_stream import ErrorCode
from mme.gateway.headers import (
    CONTENT_TYPE,
    CUSTOM_ATTRIBUTES,
    SERVICE_ACCEPT,
    SERVICE_CONTENT_TYPE,
    TARGET,
    TARGET_VARIANT,
    VARIANT,
    passed_back,
    passed_on,
    printable,
    target_named,
)
from mme.gateway.reply import is_success
from mme.gateway.service_errors import model_error_of
from mme.gateway.service_model import InvocationChecks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.settings import Settings
    from mme.endpoints.serving import Chosen, Serving
    from mme.gateway.connections import Connection
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

log = logging.getLogger(__name__)

LIMIT_BYTES = 1 << 31
"""Of a whole answer: what a worker may say at most. No more than a few pieces lie here at once."""
NO_TARGET = (
    f"{{}}: InvokeEndpointWithResponseStream has no TargetModel, so name it in the header {TARGET}"
    " or as target-model=NAME in the custom attributes"
)


class Streaming:
    """The handler of the route."""

    def __init__(self, settings: Settings, serving: Serving) -> None:
        self._max_body_bytes = settings.max_body_bytes
        self._timeout_s = settings.stream_timeout_s
        self._serving = serving
        self._checks = InvocationChecks("InvokeEndpointWithResponseStream")

    def routes(self) -> list[Route]:
        """The route of this surface."""
        return [("POST", "/endpoints/{endpoint}/invocations-response-stream", self.invoke)]

    async def invoke(self, call: Call) -> web.StreamResponse:
        """InvokeEndpointWithResponseStream. Nothing of a body is read if the head is off."""
        given = call.request.headers
        self._checks.check_name(call.name)
        self._checks.check_headers(given)
        chosen = self._choose(call.name, given)
        call.note = chosen.key
        body = await call.body(self._max_body_bytes)
        headers = passed_on(given, accept=SERVICE_ACCEPT)
        if chosen.target:
            headers[str(TARGET)] = printable(chosen.target)
        parts = Parts()
        terms = Terms(self._timeout_s, LIMIT_BYTES, parts)
        asking = asyncio.create_task(self._serving.invoke(chosen, headers, body, terms))
        asking.add_done_callback(lambda _: parts.end())
        try:
            return await _answered(call, chosen, parts, asking)
        finally:
            parts.close()
            asking.cancel()
            await asyncio.wait({asking})

    def _choose(self, endpoint: str, given: Mapping[str, str]) -> Chosen:
        target = target_named(given)
        self._serving.check_real_time(endpoint)
        try:
            return self._serving.choose(endpoint, target, given.get(TARGET_VARIANT))
        except EndpointNotFound:
            raise
        except InvalidRequest as error:
            if target is not None:
                raise
            raise InvalidRequest(NO_TARGET.format(error.message)) from None


async def _answered(
    call: Call, chosen: Chosen, parts: Parts, asking: asyncio.Task[Answer]
) -> web.StreamResponse:
    first = await parts.next()
    if first is None:
        answer = await asking
        if not is_success(answer):
            return model_error_of(answer)
        stream = await _begun(call, chosen, answer)
        call.share.hold(len(answer.body))
        await _send(call, stream, answer.body)
    else:
        stream = await _begun(call, chosen, Answer(200, parts.headers, b"", cold=False))
        await _send(call, stream, first)
        while (piece := await parts.next()) is not None:
            await _send(call, stream, piece)
        await _end(call, stream, asking)
    await stream.write_eof()
    return stream


async def _end(call: Call, stream: web.StreamResponse, asking: asyncio.Task[Answer]) -> None:
    """Send the last of an answer that came in pieces, or why there is no more."""
    try:
        answer = await asking
    except ModelTimedOut as error:
        call.note = error.for_log
        frame = event_stream.model_error(error.message, ErrorCode.TIMED_OUT)
    except EndpointError as error:
        call.note = error.for_log
        frame = event_stream.model_error(error.message, ErrorCode.BROKEN)
    except Exception as error:
        log.exception("a stream broke off")
        frame = event_stream.internal_failure(message_of(error, "The endpoint"))
    else:
        if is_success(answer):
            await _send(call, stream, answer.body)
            return
        text = answer.body.decode("utf-8", "replace")
        message = f'The model broke off with status {answer.status} and message "{text[:2048]}"'
        frame = event_stream.model_error(message, ErrorCode.BROKEN)
    await stream.write(frame)


async def _begun(call: Call, chosen: Chosen, answer: Answer) -> web.StreamResponse:
    """Send the head of the answer."""
    stream = web.StreamResponse()
    back = passed_back(answer)
    stream.headers[hdrs.CONTENT_TYPE] = event_stream.CONTENT_TYPE
    stream.headers[SERVICE_CONTENT_TYPE] = back.get(CONTENT_TYPE, "")
    if CUSTOM_ATTRIBUTES in back:
        stream.headers[CUSTOM_ATTRIBUTES] = back[CUSTOM_ATTRIBUTES]
    stream.headers[VARIANT] = chosen.variant
    call.sign(stream)
    await stream.prepare(call.request)
    return stream


async def _send(call: Call, stream: web.StreamResponse, piece: bytes) -> None:
    for frame in event_stream.part_frames(piece):
        await stream.write(frame)
        cast("Connection", call.request.protocol).moves_on()
