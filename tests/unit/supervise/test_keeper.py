"""Keeping a child running: starts, deaths, giving up. Real processes where they matter."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mme.supervise import ChildProcess, Keeper, StartError, owned_pids, reap_orphans
from mme.supervise.keeper import MAX_FAILURES, STABLE_S
from tests.support.processes import is_running

if TYPE_CHECKING:
    from collections.abc import Callable


class Script:
    """A child that ends when it is told to."""

    def __init__(self, code: int | None = None):
        self.pid = 1
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.watched = asyncio.Event()
        self.is_stopped = False
        if code is not None:
            self.ended.set_result(code)

    async def wait(self):
        self.watched.set()
        return await asyncio.shield(self.ended)

    async def stop(self):
        self.is_stopped = True
        if not self.ended.done():
            self.ended.set_result(-15)


class Nursery:
    """Starts scripts, as a test says; time passes in it when something waits."""

    def __init__(self, start: Callable[[], Script] = Script):
        self.children: asyncio.Queue[Script] = asyncio.Queue()
        self.events: list[str] = []
        self.starts = 0
        self.now_s = 0.0
        self.pauses: list[float] = []
        self._start = start
        self.keeper: Keeper[Script] = Keeper(
            "child",
            self.start,
            on_up=lambda _: self.events.append("up"),
            on_down=lambda: self.events.append("down"),
            clock=lambda: self.now_s,
            sleep=self.pause,
        )

    async def start(self):
        self.starts += 1
        child = self._start()
        await self.children.put(child)
        return child

    async def pause(self, seconds):
        self.now_s += seconds
        self.pauses.append(seconds)
        await asyncio.sleep(0)


async def test_a_child_that_dies_is_started_again_and_its_users_are_told():
    nursery = Nursery()
    async with nursery.keeper.running():
        first = await nursery.children.get()
        first.ended.set_result(-9)
        second = await nursery.children.get()
        assert first.is_stopped
        assert not second.is_stopped
    assert nursery.events == ["up", "down", "up", "down"]
    assert second.is_stopped
    assert nursery.keeper.failure is None


async def test_a_child_that_is_killed_from_outside_is_started_again_however_often():
    nursery = Nursery()
    async with nursery.keeper.running():
        for _ in range(5 * MAX_FAILURES):
            child = await nursery.children.get()
            await child.watched.wait()
            nursery.now_s += STABLE_S
            child.ended.set_result(-9)
        await nursery.children.get()
        assert not nursery.keeper.gave_up.is_set()
        assert not any(nursery.pauses)


async def test_a_child_that_ends_right_after_each_start_is_given_up_after_longer_pauses():
    nursery = Nursery(lambda: Script(code=1))
    async with nursery.keeper.running():
        await nursery.keeper.gave_up.wait()
    assert nursery.starts == MAX_FAILURES + 1
    told = f"failed {MAX_FAILURES + 1} times in a row: ended with code 1 right after its start"
    assert nursery.keeper.failure == f"the child {told}"
    assert nursery.pauses == sorted(set(nursery.pauses))
    assert nursery.keeper.child is None


@pytest.mark.parametrize("error", [StartError("no room"), OSError("no room")])
async def test_a_child_that_does_not_come_up_again_is_given_up_with_its_reason(error):
    def start():
        if nursery.starts > 1:
            raise error
        return Script(code=1)

    nursery = Nursery(start)
    async with nursery.keeper.running():
        await nursery.keeper.gave_up.wait()
    assert nursery.keeper.failure == f"the child failed {MAX_FAILURES + 1} times in a row: no room"


async def test_a_child_that_stays_up_makes_up_for_failed_starts():
    fails = iter([False, *[True] * (MAX_FAILURES - 1), False] * 3)

    def start():
        if next(fails):
            raise StartError("no room")
        return Script()

    nursery = Nursery(start)
    async with nursery.keeper.running():
        for _ in range(5):
            child = await nursery.children.get()
            await child.watched.wait()
            nursery.now_s += STABLE_S
            child.ended.set_result(-9)
        await nursery.children.get()
    assert nursery.keeper.failure is None


async def test_a_child_that_does_not_come_up_the_first_time_is_the_callers_business():
    def start():
        raise StartError("no room")

    with pytest.raises(StartError, match="no room"):
        async with Nursery(start).keeper.running():
            pass


async def test_what_goes_wrong_with_watching_itself_is_told():
    def start():
        if nursery.starts > 1:
            raise ValueError("off")
        return Script(code=1)

    nursery = Nursery(start)
    async with nursery.keeper.running():
        await nursery.keeper.gave_up.wait()
    assert nursery.keeper.failure == "watching the child failed: off"


async def test_a_child_that_takes_the_place_of_another_is_the_one_that_is_watched():
    nursery = Nursery()
    async with nursery.keeper.running():
        former = await nursery.children.get()
        await former.watched.wait()
        successor = Script()
        await nursery.keeper.replace(successor)
        assert former.is_stopped
        assert nursery.keeper.child is successor
        await successor.watched.wait()
        assert nursery.starts == 1
        successor.ended.set_result(-9)
        third = await nursery.children.get()
        assert successor.is_stopped
    assert third.is_stopped
    assert nursery.events == ["up", "up", "down", "up", "down"]


async def test_a_child_that_was_being_started_again_ends_if_another_took_its_place():
    successor, begun, release = Script(), asyncio.Event(), asyncio.Event()
    started: list[Script] = []

    async def start():
        started.append(Script())
        if len(started) > 1:
            begun.set()
            await release.wait()
        return started[-1]

    keeper: Keeper[Script] = Keeper("child", start)
    async with keeper.running():
        started[0].ended.set_result(-9)
        await begun.wait()
        await keeper.replace(successor)
        release.set()
        await successor.watched.wait()
        assert keeper.child is successor
        assert started[1].is_stopped
        assert not successor.is_stopped
    assert successor.is_stopped


@pytest.fixture
def start_shell(tmp_path):
    """Starts a shell; returns it with the first line it says."""

    async def start(script):
        said: asyncio.Queue[str] = asyncio.Queue()
        child = await ChildProcess.start(
            "shell",
            ["/bin/sh", "-c", script],
            environment=dict(os.environ),
            folder=tmp_path,
            on_line=said.put_nowait,
        )
        return child, await said.get()

    return start


async def test_stopping_ends_the_descendants_too(start_shell):
    child, descendant = await start_shell("sleep 1000 & echo $!; wait")
    await child.stop(grace_s=0)
    assert child.exit_code == -signal.SIGKILL
    assert not is_running(int(descendant))
    assert running_in_group(child.pid) == []


async def test_a_child_that_ignores_sigterm_is_killed(start_shell):
    child, _ = await start_shell("trap '' TERM; echo up; while :; do sleep 0.1; done")
    await child.stop(grace_s=0.05)
    assert child.exit_code == -signal.SIGKILL


async def test_a_child_that_heeds_sigterm_ends_in_its_own_way(start_shell):
    script = "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"
    child, _ = await start_shell(script)
    await child.stop(grace_s=10)
    assert child.exit_code == 7


async def test_what_is_started_here_is_ours_until_it_has_been_collected(start_shell):
    child, _ = await start_shell("echo up; sleep 1000")
    assert child.pid in owned_pids()
    assert not child.has_ended
    await child.stop(grace_s=0)
    await asyncio.sleep(0)
    assert child.has_ended
    assert child.pid not in owned_pids()


def test_orphans_are_collected_and_our_own_children_left_alone():
    own, orphan = os.fork(), None
    if own == 0:
        os._exit(3)
    orphan = os.fork()
    if orphan == 0:
        os._exit(4)
    while "Z" not in state_of(orphan) or "Z" not in state_of(own):
        os.sched_yield()
    # The kernel's list may lack one while others end; who reaps looks again soon.
    while orphan not in reap_orphans({own}):
        os.sched_yield()
    assert os.waitpid(own, 0)[1] >> 8 == 3


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def running_in_group(group):
    """Those of a process group that run; one that only waits to be collected does not."""
    found = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]
    return [pid for pid in found if is_running(pid) and group_of(pid) == group]


def group_of(pid):
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


async def test_a_paused_child_is_gone_and_comes_back_when_it_is_resumed():
    nursery = Nursery()
    async with nursery.keeper.running():
        first = await nursery.children.get()
        await first.watched.wait()
        await nursery.keeper.pause()
        assert first.is_stopped
        assert (nursery.keeper.child, nursery.starts) == (None, 1)
        await nursery.keeper.resume()
        second = await nursery.children.get()
        second.ended.set_result(-9)  # it is watched as before
        await nursery.children.get()
    assert nursery.events == ["up", "down", "up", "down", "up", "down"]
    assert (nursery.starts, nursery.keeper.failure) == (3, None)


async def test_a_child_that_comes_up_after_it_was_paused_is_ended():
    nursery = Nursery()
    begun = asyncio.Event()
    start = nursery.start

    async def never():
        begun.set()
        await asyncio.Event().wait()

    async with nursery.keeper.running():
        first = await nursery.children.get()
        nursery.keeper._start = never
        first.ended.set_result(-9)
        await begun.wait()
        await nursery.keeper.pause()
        assert nursery.keeper.child is None
        nursery.keeper._start = start
        await nursery.keeper.resume()
        await nursery.children.get()
    assert nursery.events == ["up", "down", "up", "down"]


async def test_what_replaces_a_paused_child_is_ended():
    nursery = Nursery()
    async with nursery.keeper.running():
        await nursery.keeper.pause()
        other = Script()
        await nursery.keeper.replace(other)
        assert other.is_stopped
        assert nursery.keeper.child is None


async def test_a_child_that_cannot_be_resumed_stays_down_and_may_be_tried_again():
    nursery = Nursery()
    start = nursery.start

    async def fail():
        raise StartError("no room")

    async with nursery.keeper.running():
        await nursery.keeper.pause()
        nursery.keeper._start = fail
        for _ in range(MAX_FAILURES + 2):
            with pytest.raises(StartError, match="no room"):
                await nursery.keeper.resume()
        assert (nursery.keeper.child, nursery.keeper.failure) == (None, None)
        nursery.keeper._start = start
        await nursery.keeper.resume()
        assert nursery.keeper.child is not None
    assert nursery.events == ["up", "down", "up", "down"]
