"""Workers that run: one that died before anything could hear of it, one that answers as it ends."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from mme.core.background import BackgroundTasks
from mme.core.door import Answer
from mme.workers.batches import Batch
from mme.workers.dispatch import Dispatch
from mme.workers.live import LiveWorker, LiveWorkers
from mme.workers.starting import StartedWorker
from tests.support.dispatched import request_until

if TYPE_CHECKING:
    from mme.workers.requests import Request


class FakeDoor:
    on_answer: Any = None
    on_end: Any = None

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.has_ended = False
        self.sent: list[int] = []
        """How many questions at once, each time."""

    def send_frame(self, *_: bytes) -> None:
        self.sent.append(1)

    def send_together(self, frames: list[tuple[bytes, bytes]]) -> None:
        self.sent.append(len(frames))


class Bench:
    def __init__(self) -> None:
        self.deaths: list[LiveWorker] = []
        self.blamed: list[Request] = []
        self.dispatch: Dispatch[Request] = Dispatch(looks_ahead=True)
        self.workers = LiveWorkers(
            self.dispatch,
            BackgroundTasks(),
            through_mms=False,
            on_answered=lambda *_: None,
            clock=time.monotonic,
            on_death=lambda live, _: self.deaths.append(live),
            on_blame=self.blamed.append,
        )

    def join(self, name: str, *, is_open: bool = True) -> tuple[LiveWorker, FakeDoor]:
        door, server = FakeDoor(is_open=is_open), SimpleNamespace(has_ended=False)
        started = StartedWorker(name, 1, 1, cast("Any", door), cast("Any", server))
        live = LiveWorker(started, None, born_bytes=0)
        self.workers.join(live, frozenset())
        return live, door


async def test_a_worker_that_died_before_it_could_take_requests_is_given_none():
    bench = Bench()
    live, _ = bench.join("w1", is_open=False)
    assert bench.deaths == [live]
    assert bench.dispatch.group() == []
    assert len(bench.workers) == 0


async def test_what_a_worker_gets_after_one_put_last_that_it_answers_all_comes_to_another():
    bench = Bench()
    live, door = bench.join("w1")
    bench.workers.submit(request_until(0.0, "other"))
    door.on_answer(Answer(200, {}, b""))
    slow, *others = (request_until(0.0, target) for target in ("m", "other", "other"))
    for request in (slow, *others):
        request.batch = Batch(2, 1000)
        bench.workers.submit(request)
    bench.workers.put_last(live)
    door.on_answer(Answer(200, {}, b""))
    assert slow.is_over
    assert door.sent == [1, 1, 2]
    door.on_end(False)
    _, another = bench.join("w2")
    for _ in others:
        another.on_answer(Answer(200, {}, b""))
    assert all(request.is_over for request in others)


async def test_what_could_not_be_sent_is_not_what_ended_a_worker_that_answered_before():
    bench = Bench()
    live, door = bench.join("w1")
    taught, first, unsent, waiting = (request_until(0.0, "m") for _ in range(4))
    bench.workers.submit(taught)
    door.on_answer(Answer(200, {}, b""))
    for request in (first, unsent, waiting):
        bench.workers.submit(request)
    assert live.next is unsent
    door.has_ended = True
    door.on_answer(Answer(200, {}, b""))
    assert first.is_over
    door.on_end(False)
    _, another = bench.join("w2")
    for _ in (unsent, waiting):
        another.on_answer(Answer(200, {}, b""))
    assert unsent.is_over
    assert waiting.is_over
    assert bench.blamed == []
