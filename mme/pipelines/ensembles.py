"""Models that ask other target models, as ensembles do: these are asked, and the model goes on.

What for is the model's business, in its worker (`models/elsewhere.py`): it answers with what is to
be asked and with its state, and is given both the answers and its state again.
Here is known no more than that. What is to be asked at once is asked side by side. All together
has the time of one request, but for what target models take to be brought in.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mme.core.errors import Busy, EndpointError, ModelFailed, ModelTimedOut, ShuttingDown
from mme.core.terms import PLAIN, Terms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from mme.core.answer import Answer

    Invoke = Callable[[str, Mapping[str, str], bytes, Terms], Awaitable[Answer]]
    """Asks a model. Raises EndpointError."""

ASKS = "application/vnd.mme.ensemble-asks+json"
ANSWERS = "application/vnd.mme.ensemble-answers+json"
CONTENT_TYPE, TARGET = "content-type", "X-Amzn-SageMaker-Target-Model"
BETWEEN_BYTES = 5 * 1024 * 1024
STATE_BYTES = 4 * BETWEEN_BYTES
MOST_ROUNDS = 64
MOST_DEEP = 4
"""So many ensembles may ask for each other on one request's behalf."""
SMALL_BYTES = 64 * 1024
"""JSON that is read and written on the event loop; more is in a thread."""
NO_ANSWER = 0
AS_THEY_ARE = (Busy, ModelTimedOut, ShuttingDown)
"""Errors that say when to try again, or that there was no time."""


class Ensembles:
    """Models, and what ensembles among them ask of others."""

    def __init__(
        self,
        invoke: Invoke,
        ask: Invoke,
        declared: Callable[[str], Collection[str] | None],
        timeout_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`invoke` asks the models themselves, `ask` whatever a caller may ask, ensembles too.

        `declared` are the target models that an artifact says it asks; None: it is not here yet.
        """
        self._models = invoke
        self._ask = ask
        self._declared = declared
        self._timeout_s = timeout_s
        self._clock = clock

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request. Raises EndpointError."""
        declared = self._declared(target)
        # To go on is for this module to say, not for callers.
        if (declared is not None and not declared) or _goes_on(headers):
            return await self._models(target, headers, body, terms)
        began_s = self._clock()
        terms = replace(terms, may_ask=True)
        answer = await self._models(target, headers, body, terms)
        if answer.headers.get(CONTENT_TYPE) != ASKS:
            return answer
        total_s = self._timeout_s if terms.timeout_s is None else terms.timeout_s
        left_s = total_s - (self._clock() - began_s - answer.timing.fetch_s)
        on = {name: value for name, value in headers.items() if name.lower() != CONTENT_TYPE}
        on["Content-Type"] = ANSWERS
        is_first, cold = answer.is_first, answer.cold
        for _ in range(MOST_ROUNDS):
            began_s = self._clock()
            body, fetch_s = await self._asked(target, answer, replace(terms, timeout_s=left_s))
            left_s -= self._clock() - began_s - fetch_s
            if left_s <= 0:
                raise ModelTimedOut(target, total_s)
            began_s = self._clock()
            answer = await self._models(target, on, body, replace(terms, timeout_s=left_s))
            left_s -= self._clock() - began_s - answer.timing.fetch_s
            if answer.headers.get(CONTENT_TYPE) != ASKS:
                return replace(answer, is_first=is_first, cold=cold or answer.cold)
        raise ModelFailed(target, NO_ANSWER, f"it asks others more than {MOST_ROUNDS} times")

    async def _asked(self, target: str, answer: Answer, terms: Terms) -> tuple[bytes, float]:
        """What the ensemble goes on with, and how long it took to bring models in, in seconds."""
        said = await _read(answer.body)
        if said is None:
            raise ModelFailed(target, NO_ANSWER, "what it asks of others cannot be read")
        asks, state = said
        if terms.depth >= MOST_DEEP:
            reason = f"more than {MOST_DEEP} ensembles ask for each other"
            raise ModelFailed(target, NO_ANSWER, reason)
        folder = (answer.target or target).rpartition("/")[0]
        allowed = self._declared(answer.target or target) or ()
        for each in asks:
            if each["target"] not in allowed:
                reason = f"it asks {each['target'][:200]!r}, which its artifact does not name"
                raise ModelFailed(target, NO_ANSWER, reason)
        inner = Terms(
            terms.timeout_s, BETWEEN_BYTES, request_id=terms.request_id, depth=terms.depth + 1
        )
        tasks = [asyncio.ensure_future(self._one(target, folder, each, inner)) for each in asks]
        try:
            found = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        body = await _written({"state": state, "answers": [each for each, _ in found]})
        if len(body) > STATE_BYTES:
            raise ModelFailed(target, NO_ANSWER, f"its steps give more than {STATE_BYTES} bytes")
        return body, max((fetch_s for _, fetch_s in found), default=0.0)

    async def _one(
        self, ensemble: str, folder: str, asked: Mapping[str, str], terms: Terms
    ) -> tuple[dict[str, object], float]:
        """One answer, as the ensemble takes it, and what its model's coming took."""
        target = f"{folder}/{asked['target']}" if folder else asked["target"]
        headers = {
            "Content-Type": asked["content_type"], "Accept": asked["accept"], TARGET: target,
        }  # fmt: skip
        began_s = self._clock()
        try:
            answer = await self._ask(target, headers, asked["body"].encode(), terms)
        except AS_THEY_ARE:
            raise
        except EndpointError as error:
            reason = f"Step {asked['step']}: {error.message}"
            raise ModelFailed(ensemble, NO_ANSWER, reason) from error
        said: dict[str, object] = {
            "step": asked["step"],
            "status": answer.status,
            "content_type": answer.headers.get(CONTENT_TYPE, ""),
            "body": answer.body.decode("utf-8", "replace"),
            "seconds": round(self._clock() - began_s, 6),
        }
        return said, answer.timing.fetch_s


def _goes_on(headers: Mapping[str, str]) -> bool:
    return any(
        name.lower() == CONTENT_TYPE and ANSWERS in value.lower() for name, value in headers.items()
    )


async def _read(body: bytes) -> tuple[list[dict[str, str]], Any] | None:
    """What is asked, and the state; None: it is not written so."""
    try:
        said = json.loads(body) if len(body) < SMALL_BYTES else await _apart(json.loads, body)
    except (ValueError, RecursionError):
        return None
    match said:
        case {"asks": [_, *_] as asks, "state": state} if all(map(_is_asked, asks)):
            return asks, state
        case _:
            return None


def _is_asked(each: object) -> bool:
    keys = ("step", "target", "content_type", "accept", "body")
    return isinstance(each, dict) and all(isinstance(each.get(key), str) for key in keys)


async def _written(said: dict[str, object]) -> bytes:
    """As JSON; in a thread, since nobody knows how large it is."""
    text: str = await _apart(json.dumps, said)
    return text.encode()


async def _apart(work: Callable[[Any], Any], what: object) -> Any:
    return await asyncio.to_thread(work, what)
