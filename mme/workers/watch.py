"""Looking after requests and workers: time that is over, workers that do not take what they get.

A worker takes a question from its socket within microseconds; one that has not within a second
never will (it is stopped, or stuck before its loop), so it is ended and the question goes to
another. The same holds for one that something has stopped in the middle of its work. A worker that
computes beyond the time a request has is ended with that request.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import Busy, ModelTimedOut
from mme.workers.starting import kill

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.workers.dispatch import Dispatch
    from mme.workers.live import LiveWorkers
    from mme.workers.requests import Deadlines, Request

log = logging.getLogger(__name__)

TAKEN_S = 1.0
STOPPED = ("T", "t")


class Watch:
    """The event loop owns it; `step` is called now and then."""

    def __init__(
        self,
        dispatch: Dispatch[Request],
        live: LiveWorkers,
        deadlines: Deadlines,
        *,
        clock: Callable[[], float],
        timeout_s: float,
        on_time_out: Callable[[Request], None],
    ) -> None:
        self._dispatch = dispatch
        self._live = live
        self._deadlines = deadlines
        self._clock = clock
        self._timeout_s = timeout_s
        self._on_time_out = on_time_out

    def step(self) -> None:
        """Look once."""
        now_s = self._clock()
        for request in self._deadlines.expired(now_s):
            self._end(request)
        for name, _, began_s in self._dispatch.requests_in_workers():
            live = self._live.get(name)
            if live is None or now_s - began_s < TAKEN_S or live.is_condemned:
                continue
            pid = live.started.pid
            if live.started.door.has_unread() or process_state(pid) in STOPPED:
                log.warning("worker %s (pid %d) does not take its request and is ended", name, pid)
                live.is_condemned = True
                kill(pid)

    def _end(self, request: Request) -> None:
        target = request.artifact.target
        if self._dispatch.withdraw(request):
            request.answer.set_exception(Busy(target, self._dispatch.waiting(request.model)))
            return
        live = self._live.with_request(request)
        request.answer.set_exception(ModelTimedOut(target, self._timeout_s))
        if live is not None:
            log.warning("%s computes for too long; worker %s is ended", target, live.started.name)
            kill(live.started.pid)
            self._on_time_out(request)


def process_state(pid: int, proc: Path = Path("/proc")) -> str:
    """The kernel's letter for what a process does; empty if it is gone."""
    try:
        return (
            (proc / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        )
    except (OSError, IndexError):
        return ""
