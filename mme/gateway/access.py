"""What is noted of every request: an id of its own, and one line when it is over."""

from __future__ import annotations

import itertools
import logging
import math
import secrets
import time
import uuid
from typing import TYPE_CHECKING

from mme.core.log import LineWriter
from mme.gateway.headers import INFERENCE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mme.core.answer import Answer
    from mme.endpoints.serving import Chosen

log = logging.getLogger(__name__)
lines = LineWriter(__name__)
http_log = logging.getLogger("mme.gateway.http")
"""For what aiohttp has to say."""

QUIET_PATHS = frozenset({"/ping"})
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


def note_access(
    method: str, path: str, status: int, duration_s: float, *, request_id: str, note: str
) -> None:
    """Log the end of a request."""
    line = (
        f"{method} {shortened(path)} {status} {duration_s * 1000:.1f} ms {request_id}"
        f" {shortened(note)}"
    )
    if path in QUIET_PATHS:
        log.debug("%s", line)
    else:
        lines.write(line)


def invocation_note(chosen: Chosen, answer: Answer, headers: Mapping[str, str]) -> str:
    """What was asked for, what an alias meant, whether it had to be loaded, the inference id."""
    meant = "" if answer.target in ("", chosen.key) else f"={answer.target}"
    note = f"{chosen.key}{meant} {'cold' if answer.cold else 'warm'}"
    inference_id = headers.get(INFERENCE_ID)
    return note if inference_id is None else f"{note} {inference_id}"


def shortened(text: str) -> str:
    """`text`, not too long for a line."""
    return text if len(text) <= LONGEST_NOTE_CHARS else text[:LONGEST_NOTE_CHARS] + "…"
