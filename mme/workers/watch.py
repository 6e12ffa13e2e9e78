"""Looking after requests and workers: time that is over, workers that do not take what they get.

A worker takes a question from its socket within microseconds; one that has not within a second
never will (it is stopped, or stuck before its loop), so it is ended and the question goes to
another. The same holds for one that something has stopped in the middle of its work. A worker that
computes for longer than a request may take is ended, whether somebody waits for the answer or not,
and one that computes a batch for a share of that; then each is computed alone, and whichever takes
such a share while others wait goes behind them. One that sends pieces of an answer to nobody is
ended soon.
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
    from mme.workers.live import LiveWorker, LiveWorkers
    from mme.workers.requests import Deadlines, Request

log = logging.getLogger(__name__)

TAKEN_S = 1.0
LATE_S = 0.75
"""A look that comes so long after the one before was held up; three times the usual."""
LEFT_S = 0.4
"""How long a worker may still compute an answer in pieces whose reader has left."""
BATCH_LEAST_S, BATCH_SHARE = 1.0, 0.25
"""So long, and such a share of the time each of them has, a batch may take."""
RECALL_S = 0.1
"""From when on a request does not wait any more for the one ahead of it in the same worker."""
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
    ) -> None:
        self._dispatch = dispatch
        self._live = live
        self._deadlines = deadlines
        self._clock = clock
        self._looked_at_s = clock()
        self._trusts_from_s = 0.0
        """Before, a question that lies unread says nothing of its worker."""

    def step(self) -> None:
        """Look once."""
        now_s = self._clock()
        if now_s - self._looked_at_s > LATE_S:
            # The loop was busy: what was to be sent may lie here, and nobody could take it.
            self._trusts_from_s = now_s + TAKEN_S
        self._looked_at_s = now_s
        for request in self._deadlines.expired(now_s):
            self._fail(request)
        for name, request, began_s in self._dispatch.requests_in_workers():
            live = self._live.get(name)
            if live is None or live.is_condemned:
                continue
            if now_s - began_s >= RECALL_S:
                self._live.recall(live)
            self._end_if_due(live, request, now_s, began_s)

    def _fail(self, request: Request) -> None:
        target, waiting = request.artifact.target, self._dispatch.waiting(request.model)
        if self._dispatch.withdraw(request):
            request.answer.set_exception(Busy(target, waiting))
        else:
            request.was_held_up = request.is_held_up
            request.answer.set_exception(ModelTimedOut(target, request.timeout_s))

    def _end_if_due(self, live: LiveWorker, request: Request, now_s: float, began_s: float) -> None:
        """End a worker that does not do with a request what it should."""
        name, pid, target = live.started.name, live.started.pid, request.artifact.target
        runs_s = now_s - began_s
        if runs_s >= TAKEN_S and (self._is_unread(live, now_s) or _is_stopped(pid)):
            log.warning("worker %s (pid %d) does not take its request and is ended", name, pid)
            live.is_condemned = True
        elif _is_too_long(live.batch, runs_s):
            log.warning("a batch of %s takes long; worker %s is ended", target, name)
            self._live.break_up(live)
        elif self._had_better_go_last(request, runs_s):
            log.warning(
                "what took a batch of %s long is put last; worker %s is ended", target, name
            )
            self._live.put_last(live)
        elif runs_s >= request.timeout_s:
            # Also where the caller has left: nobody else would ever end it.
            log.warning("%s computes for too long; worker %s is ended", target, name)
            live.is_condemned = request.was_held_up or request.is_held_up
        elif _has_been_left(request, now_s):
            log.info("nobody reads what worker %s (pid %d) sends: it is ended", name, pid)
            live.is_condemned = True
        else:
            return
        kill(pid)

    def _is_unread(self, live: LiveWorker, now_s: float) -> bool:
        # Where it has been sent two, the second may well lie unread.
        return live.next is None and now_s >= self._trusts_from_s and live.started.door.has_unread()

    def _had_better_go_last(self, request: Request, runs_s: float) -> bool:
        return (
            request.lets_others_pass
            and _is_too_long([request], runs_s)
            and self._dispatch.waiting(request.model) > 0
        )


def _is_too_long(batch: list[Request], runs_s: float) -> bool:
    """Whether those of a batch had better be answered one by one: one may hold up the others."""
    if not batch or runs_s < BATCH_LEAST_S:
        return False
    return runs_s >= BATCH_SHARE * min(request.timeout_s for request in batch)


def _has_been_left(request: Request, now_s: float) -> bool:
    left_at_s = request.left_at_s
    return request.is_streamed and left_at_s is not None and now_s - left_at_s >= LEFT_S


def _is_stopped(pid: int) -> bool:
    return process_state(pid) in STOPPED


def process_state(pid: int, proc: Path = Path("/proc")) -> str:
    """The kernel's letter for what a process does; empty if it is gone."""
    try:
        return (
            (proc / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        )
    except (OSError, IndexError):
        return ""
