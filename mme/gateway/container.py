"""What both containers answer: a model's words as they are, since the platform gives them a form.

Failures that are no model's own words look like those of workers. The standalone endpoint's are in
`service_errors.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aiohttp import web

from mme.core.answer import Answer
from mme.core.errors import EndpointError
from mme.core.json_text import json_object
from mme.gateway.errors import json_answer
from mme.gateway.headers import CONTENT_TYPE, passed_back
from mme.gateway.passing import Passing
from mme.gateway.reply import Reply, is_success

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mme.core.errors import ModelFailed
    from mme.core.parts import Parts
    from mme.gateway.connections import Connection
    from mme.gateway.exchange import Call

    Ask = Callable[[Parts], Awaitable[Answer]]

PING_TIMEOUT_S = 1.5
"""The platform gives up after two seconds."""
NO_ANSWER = 502
ERRORS = range(400, 600)


def model_answer(answer: Answer) -> web.Response:
    """What the model answered, if that is a success or an error."""
    if answer.status not in ERRORS and not is_success(answer):
        return problem(NO_ANSWER, "ModelFailed", f"The model answered with status {answer.status}")
    return Reply(answer.status, passed_back(answer), answer.body)


async def answer_as_it_comes(call: Call, ask: Ask) -> web.StreamResponse:
    """What the model answers; in chunks, each as soon as it is there, if the model yields it.

    An answer that breaks off in between breaks the connection: the status has been sent by then.
    """
    stream = web.StreamResponse()
    connection = cast("Connection", call.request.protocol)

    async def write(parts: Parts) -> None:
        stream.headers.update(passed_back(Answer(200, parts.headers, b"", cold=False)))
        call.sign(stream)
        await stream.prepare(call.request)
        while (piece := await parts.next()) is not None:
            await stream.write(piece)
            connection.moves_on()

    async with Passing(write) as passing:
        try:
            answer = await ask(passing.parts)
            if not await passing.written():
                return model_answer(answer)
            rest = _rest_of(answer)
        except Exception:
            if await passing.written():
                connection.leave()
            raise
        await stream.write_eof(rest)
    return stream


def _rest_of(answer: Answer) -> bytes:
    if not is_success(answer):
        raise EndpointError(f"The model broke off its answer with status {answer.status}")
    return answer.body


def failure(error: ModelFailed) -> web.Response:
    """A model that gave no answer of its own, or could not be loaded for a reason it gave."""
    status = error.status if error.status in ERRORS else NO_ANSWER
    if json_object(error.body) is None:
        return problem(status, "ModelFailed", error.body)
    text = error.body.encode("utf-8", "replace")
    return web.Response(status=status, body=text, headers={CONTENT_TYPE: "application/json"})


def problem(status: int, kind: str, message: str) -> web.Response:
    """An error in the form workers give theirs."""
    return json_answer({"type": kind, "message": message, "status": status}, status)
