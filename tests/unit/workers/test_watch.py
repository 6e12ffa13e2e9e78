"""Looking after requests and workers: who is ended when, and what the callers are told.

Workers are real processes that do nothing, since it is the kernel that says what they do.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from mme.core.errors import Busy, ModelTimedOut
from mme.core.parts import Parts
from mme.workers.dispatch import Dispatch
from mme.workers.requests import Deadlines, Request
from mme.workers.watch import (
    BATCH_LEAST_S,
    BATCH_SHARE,
    LATE_S,
    LEFT_S,
    RECALL_S,
    TAKEN_S,
    Watch,
    process_state,
)
from tests.support.dispatched import Clock, request_until
from tests.support.fake_engine import until
from tests.support.fake_mms import stand_in

if TYPE_CHECKING:
    import subprocess

TIMEOUT_S = 60.0


@dataclass(eq=False)
class Worker:
    """A worker as the watch sees it."""

    process: subprocess.Popen[bytes]
    is_unread: bool = False
    is_condemned: bool = False
    next: Request | None = None
    batch: list[Request] = field(default_factory=list)
    broken_up: int = 0
    is_put_last: bool = False
    recalls: int = 0

    @property
    def started(self) -> Any:
        return SimpleNamespace(
            name="w",
            pid=self.process.pid,
            door=SimpleNamespace(has_unread=lambda: self.is_unread),
        )

    @property
    def is_killed(self) -> bool:
        return self.process.poll() is not None

    async def ended(self) -> None:
        await until(lambda: self.is_killed)


@dataclass
class Bench:
    clock: Clock = field(default_factory=Clock)
    live: dict[str, Worker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dispatch: Dispatch[Request] = Dispatch(clock=self.clock)
        self.deadlines = Deadlines()
        self.watch = Watch(self.dispatch, cast("Any", self), self.deadlines, clock=self.clock)

    def get(self, name: str) -> Worker | None:
        return self.live.get(name)

    def recall(self, worker: Worker) -> None:
        worker.recalls += 1

    def break_up(self, worker: Worker) -> None:
        worker.broken_up += 1

    def put_last(self, worker: Worker) -> None:
        worker.is_put_last = True

    def join(self) -> Worker:
        name = f"w{len(self.live)}"
        worker = self.live[name] = Worker(stand_in())
        self.dispatch.join(name)
        return worker

    def submit(
        self, target: str = "m", timeout_s: float = TIMEOUT_S, parts: Parts | None = None
    ) -> Request:
        deadline_s = self.clock.now_s + timeout_s
        request = request_until(deadline_s, target, timeout_s=timeout_s, parts=parts)
        self.deadlines.add(request)
        self.dispatch.submit(request)
        return request

    def after(self, seconds: float) -> None:
        """Look when so much time has passed."""
        self.clock.now_s += seconds
        self.watch.step()


@pytest.fixture
def bench():
    made = Bench()
    yield made
    for worker in made.live.values():
        worker.process.kill()
        worker.process.wait()


async def test_a_worker_that_computes_is_left_alone(bench):
    worker, request = bench.join(), bench.submit()
    bench.after(TIMEOUT_S / 2)
    assert not worker.is_killed
    assert not request.is_over


async def test_one_that_computes_a_batch_is_ended_after_a_share_of_the_least_time_of_all(bench):
    worker, request = bench.join(), bench.submit()
    worker.batch = [request, request_until(0, timeout_s=TIMEOUT_S / 2)]
    bench.after(BATCH_SHARE * TIMEOUT_S / 2 - 0.1)
    assert not worker.broken_up
    bench.after(0.1)
    assert worker.broken_up == 1
    await worker.ended()


@pytest.mark.parametrize("is_from_batch", [True, False])
@pytest.mark.parametrize("does_wait", [True, False])
async def test_one_of_a_batch_that_took_long_makes_way_for_those_that_wait(
    bench, is_from_batch, does_wait
):
    worker, request = bench.join(), bench.submit()
    request.lets_others_pass = is_from_batch
    if does_wait:
        bench.submit()
    bench.after(BATCH_SHARE * TIMEOUT_S - 0.1)
    assert not worker.is_put_last
    bench.after(0.1)
    assert worker.is_put_last == (is_from_batch and does_wait)
    if worker.is_put_last:
        await worker.ended()
    else:
        assert not worker.is_killed


async def test_a_batch_of_requests_with_little_time_is_left_alone_for_a_second(bench):
    worker, request = bench.join(), bench.submit(timeout_s=2.0)
    worker.batch = [request]
    bench.after(BATCH_LEAST_S - 0.1)
    assert not worker.broken_up


async def test_one_that_has_not_read_its_request_within_a_second_is_ended(bench):
    worker, request = bench.join(), bench.submit()
    worker.is_unread = True
    bench.after(TAKEN_S / 2)
    assert not worker.is_condemned
    bench.after(TAKEN_S / 2)
    assert worker.is_condemned
    await worker.ended()
    assert not request.is_over  # it goes to another


async def test_where_a_second_request_lies_unread_nothing_is_wrong(bench):
    worker = bench.join()
    bench.submit()
    worker.is_unread, worker.next = True, request_until(0.0)
    bench.after(TAKEN_S)
    assert not worker.is_condemned


async def test_one_that_was_stopped_is_ended_too(bench):
    worker = bench.join()
    bench.submit()
    os.kill(worker.process.pid, signal.SIGSTOP)
    await until(lambda: process_state(worker.process.pid) == "T")
    bench.after(TAKEN_S)
    await worker.ended()
    assert worker.is_condemned


async def test_an_idle_worker_may_be_stopped(bench):
    worker = bench.join()
    os.kill(worker.process.pid, signal.SIGSTOP)
    bench.after(TIMEOUT_S)
    assert not worker.is_killed


async def test_one_is_ended_once(bench):
    worker = bench.join()
    bench.submit()
    worker.is_unread = worker.is_condemned = True
    bench.after(TIMEOUT_S)
    assert not worker.is_killed


async def test_when_its_time_is_over_a_request_fails_and_its_worker_ends_with_it(bench):
    worker, request = bench.join(), bench.submit()
    bench.after(TIMEOUT_S)
    assert isinstance(request.answer.exception(), ModelTimedOut)
    await worker.ended()
    assert not worker.is_condemned  # the request is to blame


@pytest.mark.parametrize("timeout_s", [1.5, 3600.0])
async def test_a_request_may_have_a_time_of_its_own(bench, timeout_s):
    worker, request = bench.join(), bench.submit(timeout_s=timeout_s)
    bench.after(timeout_s - 1)
    assert not request.is_over
    assert not worker.is_killed
    bench.after(1)
    error = request.answer.exception()
    assert isinstance(error, ModelTimedOut)
    assert error.timeout_s == timeout_s
    await worker.ended()


@pytest.mark.parametrize("is_held_up", [True, False])
async def test_a_model_is_not_to_blame_for_a_reader_that_held_it_up(bench, is_held_up):
    parts = Parts()
    request = bench.submit(parts=parts)
    bench.clock.now_s += 1
    worker = bench.join()  # its time as a worker is over later than the request's
    parts.is_held_up = is_held_up
    bench.after(TIMEOUT_S - 1)
    assert isinstance(request.answer.exception(), ModelTimedOut)
    assert not worker.is_killed
    parts.release()
    bench.after(1)
    await worker.ended()
    assert worker.is_condemned == is_held_up


async def test_a_stream_that_was_left_is_ended_soon_and_nobody_is_to_blame(bench):
    worker, request = bench.join(), bench.submit(parts=Parts())
    request.left_at_s = bench.clock.now_s
    bench.after(LEFT_S / 2)
    assert not worker.is_killed
    bench.after(LEFT_S / 2)
    await worker.ended()
    assert worker.is_condemned


async def test_a_worker_that_computes_for_nobody_ends_as_late(bench):
    worker, request = bench.join(), bench.submit()
    request.answer.cancel()
    bench.deadlines.remove(request)
    bench.after(TIMEOUT_S - 1)
    assert not worker.is_killed
    bench.after(1)
    await worker.ended()


async def test_a_request_that_came_to_a_worker_late_leaves_that_its_time(bench):
    request = bench.submit()
    bench.clock.now_s += TIMEOUT_S - 1
    worker = bench.join()
    bench.after(1)
    assert isinstance(request.answer.exception(), ModelTimedOut)
    assert not worker.is_killed
    bench.after(TIMEOUT_S - 1)
    await worker.ended()


async def test_requests_that_waited_too_long_are_told_how_many_wait(bench):
    requests = [bench.submit() for _ in range(2)]
    bench.after(TIMEOUT_S)
    errors = [request.answer.exception() for request in requests]
    assert sorted(error.waiting for error in errors if isinstance(error, Busy)) == [1, 2]
    assert bench.dispatch.waiting(requests[0].model) == 0


async def test_what_waits_in_a_worker_behind_a_long_one_is_recalled(bench):
    worker = bench.join()
    bench.submit()
    bench.after(RECALL_S / 2)
    assert worker.recalls == 0
    bench.after(RECALL_S)
    assert worker.recalls == 1


async def test_a_worker_nobody_knows_any_more_is_no_matter(bench):
    bench.dispatch.join("gone")
    request = bench.submit()
    bench.after(TIMEOUT_S)
    assert isinstance(request.answer.exception(), ModelTimedOut)


def test_the_state_of_a_process_is_read_whatever_its_name(tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_bytes(b"7 (a) R (\xff) T 1 7")
    assert process_state(7, tmp_path) == "T"
    assert process_state(8, tmp_path) == ""
    (tmp_path / "7" / "stat").write_bytes(b"")
    assert process_state(7, tmp_path) == ""


async def test_while_looks_come_late_unread_requests_say_nothing_of_their_workers(bench):
    worker, _ = bench.join(), bench.submit()
    worker.is_unread = True
    bench.after(LATE_S * 3)
    assert not worker.is_condemned
    bench.after(LATE_S)
    assert not worker.is_condemned
    bench.after(TAKEN_S - LATE_S)
    assert worker.is_condemned
