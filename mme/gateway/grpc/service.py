"""Answers calls: takes a message, has the exchange answer the request it is, sends a message back.

All calls are served as streams, which on the wire is the same where there is one message: so
messages are read when this says so, not whenever one comes. gRPC cancels an answering when its
caller leaves or its deadline is over, which ends the work as over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from tritonclient.grpc import service_pb2 as pb

from mme.core.errors import InvalidRequest
from mme.core.invocation_log import FIRST_ERROR
from mme.gateway.bodies import READ_TIMEOUT_S
from mme.gateway.grpc.calls import CALLS, INFER, form_of, why_absent
from mme.gateway.grpc.request import Caller, request_of
from mme.gateway.grpc.statuses import code_of, metadata_of, shortened, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mme.core.errors import EndpointError
    from mme.gateway.exchange import Exchange
    from mme.gateway.grpc.calls import Form

log = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
STREAM = "ModelStreamInfer"


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
        self._reading: dict[asyncio.Timeout, None] = {}

    def handler(self) -> Any:
        """What gRPC asks."""
        calls = {
            call.name: grpc.stream_stream_rpc_method_handler(partial(self._answer, call))
            for call in SERVICE.methods
        }
        return grpc.method_handlers_generic_handler(SERVICE.full_name, calls)

    async def _answer(self, call: Any, _: Any, context: Any) -> None:
        try:
            if call.name in CALLS:
                sent = _message(call, await self._read(context) or b"")
                async with self._answered(form_of(call.name, sent), sent, context) as message:
                    await context.write(message.SerializeToString())
            elif call.name == STREAM:
                while (raw := await self._read(context)) is not None:
                    await self._one_of_many(_message(call, raw), context)
            else:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, why_absent(call.name))
        except Refusal as refusal:
            await context.abort(*refusal.args)

    async def _one_of_many(self, sent: Any, context: Any) -> None:
        """Answer one request of a stream: if it fails its answer says so, and others go on."""
        framed = pb.ModelStreamInferResponse()
        try:
            async with self._answered(INFER, sent, context) as message:
                message.parameters["triton_final_response"].bool_param = True
                framed.infer_response.MergeFrom(message)
                await context.write(framed.SerializeToString())
        except Refusal as refusal:
            framed.error_message, framed.infer_response.id = refusal.args[1], sent.id
            await context.write(framed.SerializeToString())

    async def _read(self, context: Any) -> bytes | None:
        """The next message, None after the last one. Raises Refusal."""
        if len(self._reading) >= self._most_read:
            next(iter(self._reading)).reschedule(0)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S) as patience:
                self._reading[patience] = None
                try:
                    raw = await context.read()
                finally:
                    del self._reading[patience]
        except TimeoutError:
            raise Refusal(grpc.StatusCode.UNAVAILABLE, "No message came in time") from None
        return None if raw is grpc.aio.EOF else raw

    @contextlib.asynccontextmanager
    async def _answered(self, form: Form, sent: Any, context: Any) -> AsyncIterator[Any]:
        """The message that answers one, which counts as a body inside. Raises Refusal."""
        caller = Caller(context.peer())
        content: tuple[bytes | EndpointError, int | None]
        try:
            path = form.path_of(sent)
        except InvalidRequest as error:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, error.message) from None
        try:
            content = form.body(sent)
        except InvalidRequest as error:
            content = (error, None)  # told by the exchange, to those who may ask at all
        metadata = context.invocation_metadata() or ()
        try:
            answer = await self._exchange.answer(
                request_of(form.method, path, metadata, content, caller)
            )
            told = metadata_of(answer)
            if answer.status >= FIRST_ERROR and answer.status not in form.negative:
                raise Refusal(code_of(answer), text_of(answer), told)
            context.set_trailing_metadata(told)
            yield _made(form, answer)
        finally:
            caller.give_back()


def _message(call: Any, raw: bytes) -> Any:
    """What was sent. Raises Refusal."""
    try:
        return GetMessageClass(call.input_type).FromString(raw)
    except DecodeError:
        text = f"What was sent is no {call.input_type.name}"
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, text) from None


def _made(form: Form, answer: Any) -> Any:
    """The message that an answer is. Raises Refusal: a model's own words have no place in one."""
    try:
        return form.answer(answer)
    except (KeyError, TypeError, ValueError, ParseError) as error:
        log.warning("an answer has no form in gRPC: %s", shortened(repr(error)))
        text = "The model's answer is not one in tensors: ask it over HTTP"
        raise Refusal(grpc.StatusCode.INTERNAL, text) from None
