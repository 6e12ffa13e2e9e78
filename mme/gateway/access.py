"""What is noted of every request of HTTP: one line when it is over."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from mme.core.invocation_log import FIRST_ERROR, level_of, shortened
from mme.core.log import LineWriter
from mme.core.log_format import Line, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.core.invocation_log import Asked

log = logging.getLogger(__name__)
lines = LineWriter(__name__)
http_log = logging.getLogger("mme.gateway.http")
"""For what aiohttp has to say."""

QUIET_PATHS = frozenset({"/ping", "/livez", "/readyz", "/metrics"})
"""Asked every few seconds by what watches over an endpoint: logged at DEBUG alone."""
CLIENT_GONE = 499
"""What stands in the log as the status of a request whose client did not wait; none is sent."""
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


def note_access(
    method: str,
    path: str,
    status: int,
    duration_s: float,
    *,
    request_id: str,
    asked: Asked | None = None,
    note: str = "",
    caller: str = "",
) -> None:
    """Log the end of a request: what it was, what came of it, why, and who asked, if known."""
    level = logging.DEBUG if path in QUIET_PATHS else level_of(status)
    if asked is not None and asked.is_broken and status < FIRST_ERROR:
        level = logging.WARNING  # a stream that had begun
    if not lines.takes(level):
        return
    path = shortened(path)
    about = note
    if asked is not None:
        about = f"{asked.told()} {note}" if note else asked.told()
    text = f"{method} {path} {status} {duration_s * 1000:.1f} ms {request_id} {shortened(about)}"
    if caller:
        text += f" by {caller}"

    def members() -> str:
        about = "" if asked is None else asked.members()
        reason = f',"note":{quoted(shortened(note))}' if note else ""
        who = f',"caller":{quoted(caller)}' if caller else ""
        return (
            f',"method":{quoted(method)},"path":{quoted(path)},"status":{status}'
            f',"total_ms":{duration_s * 1000:.3f}{about}{reason}{who}'
        )

    target = "" if asked is None else asked.meant or asked.target
    lines.tell(
        # Without names, which would take longer.
        Line(time.time(), level, __name__, text, target, request_id, "", "", members, True)
    )
