"""Answers calls: takes a message, has the exchange answer the request it is, sends a message back.

All calls are served as streams, which on the wire is the same where there is one message: so
messages are read when this says so, not whenever one comes. gRPC cancels an answering when its
caller leaves or its deadline is over, which ends the work as over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from tritonclient.grpc import service_pb2 as pb

from mme.core.errors import InvalidRequest
from mme.gateway.bodies import READ_TIMEOUT_S
from mme.gateway.grpc.calls import (
    CALLS,
    INFER,
    SERVICE,
    STREAM,
    content_of,
    is_error,
    message_of,
    path_of,
)
from mme.gateway.grpc.request import CallRequest
from mme.gateway.grpc.statuses import code_of, metadata_of, shortened, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from mme.core.errors import EndpointError
    from mme.gateway.exchange import Exchange

log = logging.getLogger(__name__)


class Refusal(Exception):
    """A call that fails: gRPC's status, its text, and what goes with it."""


class Service:
    """All calls of the service; those that are not there are refused by name."""

    def __init__(self, exchange: Exchange, most_read: int) -> None:
        """`most_read` messages are waited for at a time: of more, the one that takes longest ends.

        So many can be here without being counted as bodies.
        """
        self._exchange = exchange
        self._most_read = most_read
        self._reading: OrderedDict[asyncio.Timeout, None] = OrderedDict()

    def handler(self) -> Any:
        """What gRPC asks."""
        calls = {
            call.name: grpc.stream_stream_rpc_method_handler(partial(self._answer, call))
            for call in SERVICE.methods
        }
        return grpc.method_handlers_generic_handler(SERVICE.full_name, calls)

    async def _answer(self, call: Any, _: Any, context: Any) -> None:
        try:
            if call.name == STREAM:
                while asked := await self._next(call, context):
                    await self._one_of_many(*asked, context)
            elif call.name not in CALLS:
                text = f"This endpoint has no {call.name}; ServerMetadata names what it has"
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
            elif asked := await self._next(call, context):
                async with self._answered(call.name, asked[0], context) as message:
                    await context.write(message.SerializeToString())
        except Refusal as refusal:
            await context.abort(*refusal.args)

    async def _one_of_many(self, request: CallRequest, request_id: str, context: Any) -> None:
        """Answer one request of a stream: if it fails its answer says so, and others go on."""
        framed = pb.ModelStreamInferResponse()
        try:
            async with self._answered(INFER, request, context) as message:
                message.parameters["triton_final_response"].bool_param = True
                framed.infer_response.MergeFrom(message)
                await context.write(framed.SerializeToString())
        except Refusal as refusal:
            framed.error_message, framed.infer_response.id = refusal.args[1], request_id
            await context.write(framed.SerializeToString())

    async def _next(self, call: Any, context: Any) -> tuple[CallRequest, str] | None:
        """The request of the next message and what its caller calls it; None: there is no more.

        Raises Refusal.
        """
        if len(self._reading) >= self._most_read:
            longest = self._reading.popitem(last=False)[0]
            if not longest.expired():
                longest.reschedule(0)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S) as patience:
                self._reading[patience] = None
                try:
                    raw = await context.read()
                finally:
                    self._reading.pop(patience, None)
        except TimeoutError:
            raise Refusal(grpc.StatusCode.UNAVAILABLE, "No message came in time") from None
        return None if raw is grpc.aio.EOF else _request(call, raw, context)

    @contextlib.asynccontextmanager
    async def _answered(self, call: str, request: CallRequest, context: Any) -> AsyncIterator[Any]:
        """The message that answers it, which counts as a body inside. Raises Refusal."""
        try:
            answered = await self._exchange.answer(cast("web.BaseRequest", request))
            answer = cast("web.Response", answered)  # nothing of the protocol is a stream of HTTP's
            told = metadata_of(answer)
            if is_error(call, answer):
                raise Refusal(code_of(answer), text_of(answer), told)
            context.set_trailing_metadata(told)
            yield _made(call, answer)
        finally:
            request.give_back()


def _request(call: Any, raw: bytes, context: Any) -> tuple[CallRequest, str]:
    """The request that a message is; nothing of the message stays. Raises Refusal."""
    name = INFER if call.name == STREAM else call.name
    content: tuple[bytes | EndpointError, int | None]
    try:
        sent = GetMessageClass(call.input_type).FromString(raw)
        path = path_of(name, sent)
    except DecodeError:
        text = f"What was sent is no {call.input_type.name}"
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, text) from None
    except InvalidRequest as error:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, error.message) from None
    try:
        content = content_of(name, sent)
    except InvalidRequest as error:
        content = (error, None)  # told by the exchange, to those who may ask at all
    metadata = context.invocation_metadata() or ()
    request = CallRequest(CALLS[name][0], path, content, metadata, context.peer())
    return request, getattr(sent, "id", "")


def _made(call: str, answer: web.Response) -> Any:
    """The message that an answer is. Raises Refusal: a model's own words have no place in one."""
    try:
        return message_of(call, answer)
    except (LookupError, TypeError, ValueError) as error:
        log.warning("an answer has no form in gRPC: %s", shortened(repr(error)))
        text = "The model's answer is not one in tensors: ask it over HTTP"
        raise Refusal(grpc.StatusCode.INTERNAL, text) from None
