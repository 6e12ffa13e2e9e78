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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mme.core.errors import Busy, EndpointError, ModelFailed, ModelTimedOut, ShuttingDown
from mme.core.terms import PLAIN, Errands, Terms
from mme.pipelines.running import BETWEEN_BYTES, NO_ANSWER
from mme.pipelines.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from mme.core.answer import Answer

    Invoke = Callable[[str, Mapping[str, str], bytes, Terms], Awaitable[Answer]]
    """Asks a model. Raises EndpointError."""

ASKS = "application/vnd.mme.ensemble-asks+json"
ANSWERS = "application/vnd.mme.ensemble-answers+json"
CONTENT_TYPE, TARGET = "content-type", "X-Amzn-SageMaker-Target-Model"
MOST_ROUNDS = 64
MOST_AT_ONCE = 16
"""So often all ensembles together ask one model at once: its other callers have their turns."""
MOST_STARTS = 3
"""For an artifact that changes in between."""
MOST_DEEP = 4
"""So many ensembles may ask for each other on one request's behalf."""
SMALL_BYTES = 64 * 1024
"""JSON that is read and written on the event loop; more is in a thread."""
AS_THEY_ARE = (Busy, ShuttingDown)
"""Errors that say when to try again."""


class Changed(ModelFailed):
    """The ensemble that is to go on is not the one that began."""


@dataclass(slots=True)
class _Left:
    """What is left of a request's time."""

    seconds: float
    total_s: float


@dataclass(slots=True)
class _Round:
    """What an ensemble asks at once."""

    ensemble: str
    folder: str
    """From where the names of targets are seen."""
    terms: Terms
    """Of what is asked, but for the time that is left then."""
    errands: Errands
    deadline_s: float
    held_bytes: int = 0
    """Of the answers that are there."""

    def hold(self, size_bytes: int) -> None:
        """Count an answer in. Raises ModelFailed if more is held than may be for one request."""
        self.held_bytes += size_bytes
        self.errands.spare_bytes -= size_bytes
        if self.errands.spare_bytes < 0:
            reason = f"its steps give more than {Errands().spare_bytes} bytes"
            raise ModelFailed(self.ensemble, NO_ANSWER, reason)


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
        self._slots = Slots(MOST_AT_ONCE)

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request. Raises EndpointError."""
        declared = self._declared(target)
        # To go on is for this module to say, not for callers.
        if (declared is not None and not declared) or _goes_on(headers):
            return await self._models(target, headers, body, terms)
        terms = replace(terms, may_ask=True, errands=terms.errands or Errands())
        total_s = self._timeout_s if terms.timeout_s is None else terms.timeout_s
        on = {name: value for name, value in headers.items() if name.lower() != CONTENT_TYPE}
        on["Content-Type"] = ANSWERS
        left, is_first, cold = _Left(total_s, total_s), False, False
        for start in range(1, MOST_STARTS + 1):
            answer = await self._timed(target, headers, body, terms, left)
            is_first, cold = is_first or answer.is_first, cold or answer.cold
            if answer.headers.get(CONTENT_TYPE) == ASKS:
                try:
                    answer = await self._gone_on(target, on, answer, terms, left)
                except Changed:
                    if start == MOST_STARTS:
                        raise
                    continue
            return replace(answer, is_first=is_first, cold=cold or answer.cold)
        raise AssertionError  # the last start returns or raises

    async def _gone_on(
        self, target: str, headers: Mapping[str, str], answer: Answer, terms: Terms, left: _Left
    ) -> Answer:
        """The answer after all rounds. Raises Changed, EndpointError."""
        version = answer.version
        for _ in range(MOST_ROUNDS):
            began_s = self._clock()
            body, fetch_s = await self._asked(target, answer, terms, began_s + left.seconds)
            left.seconds -= self._clock() - began_s - fetch_s
            terms = replace(terms, timeout_s=left.seconds)
            answer = await self._timed(target, headers, body, terms, left)
            if answer.version != version:
                # What it says of another's state is worth nothing.
                raise Changed(target, NO_ANSWER, "its artifact is changed again and again")
            if answer.headers.get(CONTENT_TYPE) != ASKS:
                return answer
        raise ModelFailed(target, NO_ANSWER, f"it asks others more than {MOST_ROUNDS} times")

    async def _timed(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms, left: _Left
    ) -> Answer:
        if left.seconds <= 0:
            raise ModelTimedOut(target, left.total_s)
        began_s = self._clock()
        answer = await self._models(target, headers, body, terms)
        left.seconds -= self._clock() - began_s - answer.timing.fetch_s
        return answer

    async def _asked(
        self, target: str, answer: Answer, terms: Terms, deadline_s: float
    ) -> tuple[bytes, float]:
        """What the ensemble goes on with, and how long it took to bring models in, in seconds."""
        asked = await _read(answer.body)
        if asked is None:
            raise ModelFailed(target, NO_ANSWER, "what it asks of others cannot be read")
        asks, state = asked
        if terms.depth >= MOST_DEEP:
            reason = f"more than {MOST_DEEP} ensembles ask for each other"
            raise ModelFailed(target, NO_ANSWER, reason)
        folder = (answer.target or target).rpartition("/")[0]
        allowed = self._declared(answer.target or target) or ()
        for each in asks:
            if each["target"] not in allowed:
                # Or its artifact is another by now.
                reason = f"it asks {each['target'][:200]!r}, which its artifact does not name"
                raise Changed(target, NO_ANSWER, reason)
        errands = terms.errands or Errands()
        errands.asks -= len(asks)
        if errands.asks < 0:
            reason = f"it and those it asks have asked others {Errands().asks} times"
            raise ModelFailed(target, NO_ANSWER, reason)
        inner = Terms(
            answer_limit_bytes=BETWEEN_BYTES, request_id=terms.request_id, depth=terms.depth + 1,
            errands=errands,
        )  # fmt: skip
        going = _Round(target, folder, inner, errands, deadline_s)
        tasks = [asyncio.ensure_future(self._one(each, going)) for each in asks]
        try:
            found = await asyncio.gather(*tasks)
            said = {"state": state, "answers": [each for each, _ in found]}
            # Nobody knows how large it is.
            body = (await asyncio.to_thread(json.dumps, said)).encode()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            errands.spare_bytes += going.held_bytes
        return body, max((fetch_s for _, fetch_s in found), default=0.0)

    async def _one(
        self, asked: Mapping[str, str], going: _Round
    ) -> tuple[dict[str, object], float]:
        """One answer, as the ensemble takes it, and what its model's coming took."""
        ensemble, folder, terms = going.ensemble, going.folder, going.terms
        target = f"{folder}/{asked['target']}" if folder else asked["target"]
        headers = {
            "Content-Type": asked["content_type"], "Accept": asked["accept"], TARGET: target,
        }  # fmt: skip
        sent, began_s = asked["body"].encode("utf-8", "replace"), self._clock()
        left_s = going.deadline_s - began_s
        try:
            # By depth, or ensembles that ask each other would wait for themselves.
            async with self._slots.one((terms.depth, target), left_s):
                left_s = going.deadline_s - self._clock()
                answer = await self._ask(target, headers, sent, replace(terms, timeout_s=left_s))
        except (TimeoutError, ModelTimedOut) as error:
            late = ModelTimedOut(ensemble, left_s)
            late.body = f"Step {asked['step']}: {target} did not answer in the time that was left"
            raise late from error
        except AS_THEY_ARE:
            raise
        except EndpointError as error:
            reason = f"Step {asked['step']}: {error.message}"
            status = error.status if isinstance(error, ModelFailed) else NO_ANSWER
            raise ModelFailed(ensemble, status, reason) from error
        going.hold(len(answer.body))
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
        said = (
            json.loads(body)
            if len(body) < SMALL_BYTES
            else await asyncio.to_thread(json.loads, body)
        )
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
