"""What is noted of every request: an id of its own, and one line when it is over."""

from __future__ import annotations

import itertools
import logging
import math
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.core.log import LineWriter
from mme.core.log_format import Line, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.core.answer import Answer
    from mme.core.timing import Timing

log = logging.getLogger(__name__)
lines = LineWriter(__name__)
http_log = logging.getLogger("mme.gateway.http")
"""For what aiohttp has to say."""

QUIET_PATHS = frozenset({"/ping", "/livez", "/readyz", "/metrics"})
"""Asked every few seconds by what watches over an endpoint: logged at DEBUG alone."""
SERVER_ERRORS, MODEL_ERROR = 500, 424
LONGEST_NOTE_CHARS = 500
CLIENT_GONE = 499
"""What stands in the log as the status of a request whose client did not wait; none is sent."""
COUNTER_BITS = 48
RARELY_S = 1.0


class RareLines:
    """Lines on what any client can cause as often as it likes: one a second, and how many more."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_s = -math.inf
        self._untold = 0

    def write(self, text: str) -> None:
        """Log `text`, unless a line was written within the last second."""
        now_s = self._clock()
        if now_s < self._next_s:
            self._untold += 1
            return
        more = f" (and {self._untold} like it)" if self._untold else ""
        log.info("%s%s", shortened(text), more)
        self._next_s = now_s + RARELY_S
        self._untold = 0


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
    """How warm the model was; "": it has not answered."""
    timing: Timing | None = None

    def answered(self, answer: Answer) -> None:
        """The model has answered."""
        self.outcome, self.timing = answer.outcome, answer.timing
        if answer.target and answer.target != self.target:
            self.meant = answer.target

    def __str__(self) -> str:
        meant = f"={self.meant}" if self.meant else ""
        end = f" {self.inference_id}" if self.inference_id else ""
        took = self.timing
        if took is None:
            return f"{self.target}{meant}{end}"
        fetch = f" fetch {took.fetch_s * 1000:.1f}" if took.fetch_s else ""
        return (
            f"{self.target}{meant} {self.outcome}{fetch} queue {took.queue_s * 1000:.1f}"
            f" load {took.load_s * 1000:.1f} model {took.model_s * 1000:.1f}{end}"
        )

    def members(self) -> str:
        """The same as members of a JSON object."""
        alias = f',"alias":{quoted(self.target)}' if self.meant else ""
        named = f',"inference_id":{quoted(self.inference_id)}' if self.inference_id else ""
        took = self.timing
        if took is None:
            return alias + named
        return (
            f'{alias}{named},"outcome":"{self.outcome}","fetch_ms":{took.fetch_s * 1000:.3f}'
            f',"queue_ms":{took.queue_s * 1000:.3f},"load_ms":{took.load_s * 1000:.3f}'
            f',"model_ms":{took.model_s * 1000:.3f}'
        )


def note_access(
    method: str,
    path: str,
    status: int,
    duration_s: float,
    *,
    request_id: str,
    asked: Asked | None = None,
    note: str = "",
) -> None:
    """Log the end of a request: what it was, what came of it, and why."""
    is_trouble = status >= SERVER_ERRORS or status == MODEL_ERROR
    level = logging.WARNING if is_trouble else logging.INFO
    if path in QUIET_PATHS:
        level = logging.DEBUG
    if not lines.takes(level):
        return
    path = shortened(path)
    about = note if asked is None else f"{asked} {note}" if note else str(asked)
    text = f"{method} {path} {status} {duration_s * 1000:.1f} ms {request_id} {shortened(about)}"

    def members() -> str:
        about = "" if asked is None else asked.members()
        reason = f',"note":{quoted(shortened(note))}' if note else ""
        return (
            f',"method":{quoted(method)},"path":{quoted(path)},"status":{status}'
            f',"total_ms":{duration_s * 1000:.3f}{about}{reason}'
        )

    target = "" if asked is None else asked.meant or asked.target
    lines.tell(
        Line(
            time.time(), level, __name__, text, target, request_id,
            members=members, is_of_request=True,
        )
    )  # fmt: skip


def shortened(text: str) -> str:
    """`text`, not too long for a line."""
    return text if len(text) <= LONGEST_NOTE_CHARS else text[:LONGEST_NOTE_CHARS] + "…"
