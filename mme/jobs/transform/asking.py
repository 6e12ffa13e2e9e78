"""One payload through its model: again, after a while, where the fault may pass."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Protocol

from mme.core.errors import EndpointError, ModelFailed
from mme.core.json_text import json_object
from mme.core.terms import Terms
from mme.jobs.passing import PASSING
from mme.jobs.transform.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mme.core.answer import Answer
    from mme.jobs.transform.payloads import Payload
    from mme.jobs.transform.spec import Transform

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
BAD_REQUEST, TOO_MANY, SERVER_FAULT = 400, 429, 500
SHOWN_CHARS = 300
MOST_ANSWER_BYTES = 100 * 1024 * 1024


class Invoke(Protocol):
    """The engine, or an endpoint far away."""

    async def __call__(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Answer:
        """The model's answer. Raises EndpointError."""


class Unreachable(EndpointError):
    """There is no endpoint to ask: the fault is of no payload, and the next one has it too."""


class Asker:
    """Asks on the terms of one transform."""

    def __init__(
        self,
        invoke: Invoke,
        transform: Transform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._invoke = invoke
        self._sleep = sleep
        self._retries = transform.retries
        self._terms = Terms(timeout_s=transform.timeout_s, answer_limit_bytes=MOST_ANSWER_BYTES)
        self._headers = {"accept": transform.accept or "*/*"}
        if transform.content_type:
            self._headers["content-type"] = transform.content_type
        self.retried = 0

    async def ask(self, payload: Payload) -> Answer:
        """A good answer. Raises BadInput, Unreachable."""
        wait_s = FIRST_WAIT_S
        for left in range(self._retries, -1, -1):
            try:
                answer = await self._invoke(
                    payload.target, self._headers, payload.body, self._terms
                )
                if answer.status < BAD_REQUEST:
                    return answer
                who = answer.who if answer.steps else payload.target or answer.who
                reason = f"{who} answers {answer.status}: {said(answer.body)}"
                may_pass = answer.status >= SERVER_FAULT or answer.status == TOO_MANY
            except Unreachable:
                if not left:
                    raise
                may_pass, reason = True, ""
            except EndpointError as error:
                reason = error.message
                may_pass = isinstance(error, PASSING) or (
                    isinstance(error, ModelFailed)
                    and not BAD_REQUEST <= error.status < SERVER_FAULT
                )
            if not may_pass or not left:
                raise BadInput(f"{payload.place}: {reason}")
            self.retried += 1
            await self._sleep(wait_s * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        raise AssertionError


def said(body: bytes) -> str:
    """What the body of an error says, shortened."""
    text = body.decode("utf-8", "replace")
    found = json_object(text) or {}
    text = str(found.get("Message") or found.get("message") or text)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
