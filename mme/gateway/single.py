"""The surface of a single-model container: `/ping`, `/invocations`, `/execution-parameters`.

What the platform sends reaches the model as it is, and what the model answers goes back as it is,
errors included: the platform gives them their form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from mme.core import errors
from mme.core.terms import Terms
from mme.gateway.bodies import ExpectationFailed
from mme.gateway.container import PING_TIMEOUT_S, answer_as_it_comes, failure, problem
from mme.gateway.errors import ErrorTable, json_answer, message_of
from mme.gateway.headers import passed_on
from mme.gateway.routing import MethodNotAllowed, NoSuchPath
from mme.residency.folder_models import SOLE

if TYPE_CHECKING:
    from mme.core.answer import Answer
    from mme.core.parts import Parts
    from mme.core.settings import Settings
    from mme.gateway.engine import Sole
    from mme.gateway.errors import Form
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

MIB = 1024 * 1024
BATCH_MAX_MIB = 100


class SingleSurface:
    """Handlers of the platform's calls to one model."""

    def __init__(self, settings: Settings, engine: Sole) -> None:
        self._max_body_bytes = settings.max_body_bytes
        self._engine = engine

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [
            ("GET", "/ping", self.ping),
            ("POST", "/invocations", self.invoke),
            ("GET", "/execution-parameters", self.execution_parameters),
        ]

    async def ping(self, _: Call) -> web.Response:
        """200 while the model is loaded and answers."""
        return web.Response(status=200 if await self._engine.is_ready(PING_TIMEOUT_S) else 503)

    async def invoke(self, call: Call) -> web.StreamResponse:
        """One prediction."""
        body = await call.body(self._max_body_bytes)
        headers = passed_on(call.request.headers)
        asked = call.asks(SOLE)

        async def ask(parts: Parts) -> Answer:
            terms = Terms(parts=parts, request_id=call.request_id)
            answer = await self._engine.invoke(headers, body, terms)
            asked.answered(answer)
            return answer

        return await answer_as_it_comes(call, ask)

    async def execution_parameters(self, _: Call) -> web.Response:
        """What suits batch transform: a record a request or many, a request a worker."""
        limit_mib = max(1, min(BATCH_MAX_MIB, self._max_body_bytes // MIB))
        return json_answer(
            {
                "MaxConcurrentTransforms": self._engine.workers,
                "BatchStrategy": "MULTI_RECORD",
                "MaxPayloadInMB": limit_mib,
            }
        )


def _not_allowed(error: MethodNotAllowed) -> web.Response:
    answer = problem(405, "MethodNotAllowed", error.message)
    answer.headers["Allow"] = error.allowed
    return answer


def _timed_out(error: errors.ModelTimedOut) -> web.Response:
    return problem(504, "ModelTimeout", error.body)


def _wire(status: int, kind: str) -> Form:
    return lambda error: problem(status, kind, message_of(error, "The container"))


SINGLE_ERRORS = ErrorTable(
    {
        errors.PayloadTooLarge: _wire(413, "PayloadTooLarge"),
        errors.InvalidRequest: _wire(400, "BadInput"),
        NoSuchPath: _wire(404, "NotFound"),
        MethodNotAllowed: _not_allowed,
        ExpectationFailed: _wire(417, "BadInput"),
        errors.ModelFailed: failure,
        errors.ModelTimedOut: _timed_out,
        errors.ModelNotReady: _wire(503, "ModelNotReady"),
        errors.Busy: _wire(503, "ServiceUnavailable"),
        errors.Overloaded: _wire(503, "ServiceUnavailable"),
        errors.ShuttingDown: _wire(503, "ServiceUnavailable"),
        Exception: _wire(500, "InternalFailure"),
    }
)
