"""Keeping a child running: starts, deaths, giving up. Real processes where they matter."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from mme.supervise import ChildProcess, Keeper, StartError, reap_orphans
from mme.supervise.keeper import MAX_DEATHS, WINDOW_S, too_often


class Script:
    """A child that ends when told to, in order of a list of exit codes."""

    def __init__(self):
        self.pid = 1
        self.ended = asyncio.get_running_loop().create_future()
        self.stopped = False

    async def wait(self):
        return await asyncio.shield(self.ended)

    async def stop(self):
        self.stopped = True


async def test_a_child_that_dies_is_started_again_and_its_users_are_told():
    children, events = [], []
    started: asyncio.Queue[Script] = asyncio.Queue()

    async def start():
        children.append(Script())
        await started.put(children[-1])
        return children[-1]

    keeper = Keeper(
        "child", start, on_up=lambda _: events.append("up"), on_down=lambda: events.append("down")
    )
    async with keeper.running():
        first = await started.get()
        first.ended.set_result(-9)
        second = await started.get()
        assert first.stopped
        assert not second.stopped
    assert events == ["up", "down", "up", "down"]
    assert second.stopped
    assert keeper.failure is None


async def test_a_child_that_dies_too_often_is_given_up():
    async def start():
        child = Script()
        child.ended.set_result(1)
        return child

    keeper = Keeper("child", start)
    async with keeper.running():
        await asyncio.wait_for(keeper.gave_up.wait(), 5)
    assert f"died {MAX_DEATHS + 1} times" in (keeper.failure or "")


async def test_a_child_that_does_not_come_up_again_is_given_up_with_its_reason():
    starts = []

    async def start():
        starts.append(1)
        if len(starts) > 1:
            raise StartError("no room")
        child = Script()
        child.ended.set_result(1)
        return child

    keeper = Keeper("child", start)
    async with keeper.running():
        await asyncio.wait_for(keeper.gave_up.wait(), 5)
    assert keeper.failure == "no room"


def test_deaths_long_ago_do_not_count():
    assert too_often([100.0 + n for n in range(MAX_DEATHS + 1)], 110.0)
    assert not too_often([100.0 + n for n in range(MAX_DEATHS + 1)], 110.0 + WINDOW_S)


@pytest.fixture
def start_shell(tmp_path):
    """Starts a shell; returns it with the first line it says."""
    pipes = []

    async def start(script):
        read, write = os.pipe()
        pipes.append(read)
        child = await ChildProcess.start(
            "shell",
            ["/bin/sh", "-c", script],
            environment=dict(os.environ),
            folder=tmp_path,
            output=write,
        )
        os.close(write)
        return child, (await asyncio.to_thread(os.read, read, 100)).decode().strip()

    yield start
    for pipe in pipes:
        os.close(pipe)


async def test_stopping_ends_the_descendants_too(start_shell):
    child, descendant = await start_shell("sleep 1000 & echo $!; wait")
    await child.stop(grace_s=0)
    assert child.exit_code == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)
    assert not is_running(int(descendant))


async def test_a_child_that_ignores_sigterm_is_killed(start_shell):
    child, _ = await start_shell("trap '' TERM; echo up; while :; do sleep 0.1; done")
    await child.stop(grace_s=0.05)
    assert child.exit_code == -signal.SIGKILL


async def test_a_child_that_heeds_sigterm_ends_in_its_own_way(start_shell):
    script = "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"
    child, _ = await start_shell(script)
    await child.stop(grace_s=10)
    assert child.exit_code == 7


def test_orphans_are_collected_and_our_own_children_left_alone():
    own, orphan = os.fork(), None
    if own == 0:
        os._exit(3)
    orphan = os.fork()
    if orphan == 0:
        os._exit(4)
    while "Z" not in state_of(orphan) or "Z" not in state_of(own):
        os.sched_yield()
    assert orphan in reap_orphans({own})
    assert os.waitpid(own, 0)[1] >> 8 == 3


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def is_running(pid):
    try:
        return state_of(pid) != "Z"
    except FileNotFoundError:
        return False
