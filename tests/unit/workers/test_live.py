"""Workers that run: one that died before anything could hear of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from mme.core.background import BackgroundTasks
from mme.workers.dispatch import Dispatch
from mme.workers.live import LiveWorker, LiveWorkers
from mme.workers.starting import StartedWorker

if TYPE_CHECKING:
    from mme.workers.requests import Request


class ClosedDoor:
    is_open = False
    on_answer: Any = None
    on_end: Any = None


async def test_a_worker_that_died_before_it_could_take_requests_is_given_none():
    deaths: list[LiveWorker] = []
    dispatch: Dispatch[Request] = Dispatch()
    workers = LiveWorkers(
        dispatch,
        BackgroundTasks(),
        through_mms=False,
        on_answered=lambda *_: None,
        clock=time.monotonic,
        on_death=lambda live, _: deaths.append(live),
        on_blame=lambda _: None,
    )
    started = StartedWorker("w1", 1, 1, cast("Any", ClosedDoor()), cast("Any", None))
    live = LiveWorker(started, None, born_bytes=0)
    workers.join(live, frozenset())
    assert deaths == [live]
    assert dispatch.group() == []
    assert len(workers) == 0
