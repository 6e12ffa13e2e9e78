"""What is noted of an invocation: an id, where its time went, and one line when it is over.

Those that come by HTTP have the line of their request, which the gateway writes (`mme.gateway`);
those that come out of a queue or a batch have one of their own, by `noted`.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError, ModelFailed
from mme.core.log import LineWriter
from mme.core.log_format import Line, quoted
from mme.core.request_ring import RING
from mme.core.steps import steps_of
from mme.core.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from mme.core.answer import Answer
    from mme.core.terms import Terms
    from mme.core.timing import StepTime

lines = LineWriter(__name__)

LONGEST_NOTE_CHARS = 500
COUNTER_BITS = 48
FIRST_ERROR, MODEL_ERROR, SERVER_ERRORS = 400, 424, 500


def request_ids() -> Iterator[str]:
    """Ids in the form of a UUID: random for each process, then counted, which is far cheaper."""
    fixed = str(uuid.uuid4())[:24]
    first = secrets.randbits(COUNTER_BITS)
    for number in itertools.count(first):
        yield f"{fixed}{number & 0xFFFFFFFFFFFF:012x}"


@dataclass(slots=True)
class Asked:
    """What is noted of an invocation while it is answered."""

    target: str
    """What was asked for, as the engine calls it."""
    meant: str = ""
    """What an alias meant."""
    inference_id: str = ""
    outcome: str = ""
    """How warm the model was; "": it has not been asked."""
    timing: Timing | None = None
    is_broken: bool = False
    """Whether it failed, whatever status had been sent by then."""
    steps: Sequence[StepTime] = ()
    """Of a pipeline or an ensemble."""

    def answered(self, answer: Answer) -> None:
        """The model has answered."""
        self.outcome, self.timing, self.steps = answer.outcome, answer.timing, steps_of(answer)
        self.is_broken = answer.status >= FIRST_ERROR
        if answer.target and answer.target != self.target:
            self.meant = answer.target

    def failed(self, error: EndpointError) -> None:
        """There is no answer."""
        self.outcome, self.is_broken = error.outcome, True
        if isinstance(error, ModelFailed):
            self.steps = error.steps
        if error.timing != Timing():  # it did not come so far
            self.timing = error.timing

    def told(self) -> str:
        """All of it in words."""
        meant = f"={self.meant}" if self.meant else ""
        end = f" {self.inference_id}" if self.inference_id else ""
        took = self.timing
        if took is None:
            outcome = f" {self.outcome}" if self.outcome else ""
            return f"{self.target}{meant}{outcome}{self._steps_told()}{end}"
        fetch = f" fetch {took.fetch_s * 1000:.1f}" if took.fetch_s else ""
        together = f" together {took.together}" if took.together > 1 else ""
        return (
            f"{self.target}{meant} {self.outcome}{fetch} queue {took.queue_s * 1000:.1f}"
            f" load {took.load_s * 1000:.1f} model {took.model_s * 1000:.1f}{together}"
            f"{self._steps_told()}{end}"
        )

    def members(self) -> str:
        """The same as members of a JSON object."""
        alias = f',"alias":{quoted(self.target)}' if self.meant else ""
        named = f',"inference_id":{quoted(self.inference_id)}' if self.inference_id else ""
        outcome = f',"outcome":"{self.outcome}"' if self.outcome else ""
        took = self.timing
        steps = ",".join(f"{quoted(name)}:{seconds * 1000:.3f}" for name, seconds in self.steps)
        by_step = f',"steps_ms":{{{steps}}}' if steps else ""
        if took is None:
            return f"{alias}{named}{outcome}{by_step}"
        together = f',"together":{took.together}' if took.together > 1 else ""
        return (
            f'{alias}{named}{outcome},"fetch_ms":{took.fetch_s * 1000:.3f}'
            f',"queue_ms":{took.queue_s * 1000:.3f},"load_ms":{took.load_s * 1000:.3f}'
            f',"model_ms":{took.model_s * 1000:.3f}{together}{by_step}'
        )

    def _steps_told(self) -> str:
        told = ", ".join(f"{name} {seconds * 1000:.1f}" for name, seconds in self.steps)
        return f" ({told})" if told else ""


def level_of(status: int) -> int:
    """How loud a line is: WARNING where the fault is not the caller's."""
    is_trouble = status >= SERVER_ERRORS or status == MODEL_ERROR
    return logging.WARNING if is_trouble else logging.INFO


@dataclass(frozen=True, slots=True)
class Work:
    """What an invocation that did not come by HTTP is part of."""

    kind: str
    """`async` or `batch`."""
    name: str
    """Of the endpoint, or of the job."""
    asked: Asked


async def noted(work: Work, terms: Terms, ask: Callable[[Terms], Awaitable[Answer]]) -> Answer:
    """What `ask` returns, given the terms with an id, and a line of it when it is over."""
    request_id, began_s = next(_ids), time.perf_counter()
    status, result = SERVER_ERRORS, "left"
    note, level = "nobody waits for it any more", logging.INFO
    try:
        answer = await ask(replace(terms, request_id=request_id))
        work.asked.answered(answer)
        status, result = answer.status, str(answer.status)
        note, level = "", level_of(status)
    except EndpointError as error:
        work.asked.failed(error)
        result, note, level = "failed", error.for_log, logging.WARNING
        raise
    finally:
        RING.add(work.asked, status, time.perf_counter() - began_s)
        if lines.takes(level):
            ended = _Ended(work, request_id, result, time.perf_counter() - began_s, note)
            lines.tell(ended.line(level))
    return answer


@dataclass(frozen=True, slots=True)
class _Ended:
    work: Work
    request_id: str
    result: str
    seconds: float
    note: str

    def line(self, level: int) -> Line:
        work, asked = self.work, self.work.asked
        about = shortened(f"{asked.told()} {self.note}" if self.note else asked.told())
        text = f"{work.kind} {work.name} {self.result} {self.seconds * 1000:.1f} ms"
        return Line(
            time.time(), level, __name__, f"{text} {self.request_id} {about}",
            asked.meant or asked.target, self.request_id,
            members=self._members, is_of_request=True,
        )  # fmt: skip

    def _members(self) -> str:
        work = self.work
        reason = f',"note":{quoted(shortened(self.note))}' if self.note else ""
        return (
            f',"kind":{quoted(work.kind)},"name":{quoted(work.name)}'
            f',"result":{quoted(self.result)},"total_ms":{self.seconds * 1000:.3f}'
            f"{work.asked.members()}{reason}"
        )


def shortened(text: str) -> str:
    """`text`, not too long for a line."""
    return text if len(text) <= LONGEST_NOTE_CHARS else text[:LONGEST_NOTE_CHARS] + "…"


_ids = request_ids()
