"""Models with a process of their own: their first worker, and what is refused for want of room.

Workers are started by a fake that says when one dies; requests, dispatch and book are real.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from mme.core.artifact import Admitted, Findings
from mme.core.background import BackgroundTasks
from mme.core.errors import LoadFailed
from mme.core.events import Events
from mme.memory import MemoryBook, Reading, Watermarks
from mme.workers.dispatch import Dispatch
from mme.workers.notes import Notes
from mme.workers.own_models import OwnModels
from mme.workers.usage import UsageBook
from tests.support.dispatched import Clock, Item

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024


class Bench:
    """`OwnModels` among fakes: each worker that starts is joined, then `on_started` is called."""

    def __init__(self, used_bytes: int = 0) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.further = 0
        self.live: dict[str, Admitted] = {}
        self.on_started: Callable[[str], None] = lambda _: None
        self.dispatch: Dispatch[Any] = Dispatch(clock=Clock())
        self.background = BackgroundTasks()
        book = MemoryBook(
            Watermarks(high=0.8, low=0.7, settle_s=0.0),
            lambda: Reading(1000 * MIB, used_bytes),
            lambda: Reading(256, 0),
            process_bytes=lambda *_: MIB,
        )
        usages = UsageBook()
        notes = Notes(Events(), usages, self.dispatch, clock=Clock())
        self.models = OwnModels(
            self.dispatch, cast("Any", self), cast("Any", self),
            book=book, usages=usages, notes=notes, template=cast("Any", SimpleNamespace()),
            background=self.background, clock=Clock(), ready_timeout_s=60.0, side_by_side=1,
            refuses_unfitting=True,
        )  # fmt: skip

    def all(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(artifact=each, own_model=each.name) for each in self.live.values()]

    async def start(self, artifact: Admitted) -> SimpleNamespace:
        worker = f"w{len(self.started)}"
        self.started.append(worker)
        self.live[worker] = artifact
        self.dispatch.join(worker, artifact.name)
        self.on_started(worker)
        return SimpleNamespace(born_bytes=0, started=SimpleNamespace(pid=1))

    def starting(self, _own_model: str) -> int:
        return self.further

    def end(self, worker: str) -> asyncio.Task[None]:
        async def ending() -> None:
            self.ended.append(worker)
            self.die(worker)

        return self.background.start(ending())

    def die(self, worker: str) -> None:
        del self.live[worker]
        self.dispatch.leave(worker)


def artifact(name: str = "m", unpacked_bytes: int = MIB) -> Admitted:
    folder = Path("/nowhere")
    return Admitted(name, name, "", folder, folder, 0, 0.0, Findings(unpacked_bytes, is_data=False))


async def test_a_request_that_comes_when_the_worker_died_before_its_start_was_over_has_another():
    bench = Bench()
    over = asyncio.Event()

    def die_once(worker: str) -> None:
        if worker == "w0":
            bench.die(worker)
            bench.dispatch.submit(Item("m", is_own=True))
            bench.models.ensure(artifact())  # as for each request: a start is under way already
        else:
            over.set()

    bench.on_started = die_once
    await bench.models.started(artifact())
    await over.wait()
    assert bench.started == ["w0", "w1"]
    assert bench.dispatch.waiting("m") == 0
    await bench.background.close()


async def test_a_worker_that_died_with_nothing_waiting_is_not_started_again_in_vain():
    bench = Bench()
    bench.on_started = bench.die
    await bench.models.started(artifact())
    assert bench.started == ["w0"]
    bench.on_started = lambda _: None
    await bench.models.started(artifact())
    assert bench.started == ["w0", "w1"]


async def test_dropping_waits_for_a_further_worker_that_is_being_started():
    bench = Bench()
    await bench.models.started(artifact())
    bench.further = 1
    dropped = asyncio.create_task(bench.models.drop("m"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(dropped), 0)
    assert bench.ended == []
    await bench.start(artifact())
    bench.further = 0
    await dropped
    assert sorted(bench.ended) == ["w0", "w1"]
    assert bench.live == {}


async def test_what_is_larger_than_all_memory_is_refused_at_once_though_others_are_loaded():
    bench = Bench(used_bytes=100 * MIB)
    await bench.models.started(artifact("small"))
    with pytest.raises(LoadFailed, match="without other models") as refused:
        await bench.models.started(artifact("huge", unpacked_bytes=800 * MIB))
    assert refused.value.status == 507
    assert bench.started == ["w0"]
    await bench.models.started(artifact("other", unpacked_bytes=600 * MIB))
    assert bench.started == ["w0", "w1"]
