"""Starting a worker and ending it, through the model server of the moment.

A worker gets a name that was never used before: a name whose start failed may stay half registered.
What can go wrong without the model's doing - the template or the model server dies meanwhile, a
thread of the model server is lost - is tried again; what the model's own load raised is an error
with its reason. How many workers there shall be is for `groups.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mme.core.background import BackgroundTasks
from mme.core.child_lines import remember
from mme.core.errors import LoadFailed
from mme.mms.client import MmsError, ServerGone, StartFailed
from mme.mms.starts_and_ends import StartsAndEnds
from mme.supervise import until_gone
from mme.workers.door import Door, open_door

if TYPE_CHECKING:
    from pathlib import Path

    from mme.mms import MmsServer
    from mme.workers.server import CurrentServer
    from mme.workers.template import Template

log = logging.getLogger(__name__)

POOL = "the pool"
"""What a worker is for that serves any model."""
ATTEMPTS = 5
INTERNAL, NO_ROOM = 500, 507
LOOK_S = 0.005
"""How often it is looked for a sign of the start."""
TAKEN_OVER_S = 0.5
"""How long after a change of templates a worker that was ordered before should be there."""
ENDING_S = 1.0
"""How long starts are held up by an end at most."""
HELD_S = 1.0
"""How long ends of workers are held up by a start that does not begin."""
BEGUN_S = 0.5
"""How long it is then waited for a start that has not begun, at the first try; it takes 20 ms."""
END_TIMEOUT_S = 5.0


class WorkerLost(Exception):
    """The start came to nothing, and the model had no part in it."""


@dataclass(frozen=True, slots=True)
class StartedWorker:
    """A worker that is ready."""

    name: str
    """What the model server calls it."""
    pid: int
    generation: int
    """Of the template it was forked from."""
    door: Door
    server: MmsServer


class Signs:
    """The files by which a worker that starts tells how far it has come."""

    def __init__(self, folder: Path, name: str) -> None:
        self._forked, self._ended, self._connected, self._report = (
            str(folder / f"{name}.{ending}") for ending in ("forked", "ended", "connected", "json")
        )
        self.pid: int | None = None
        """The worker's process, once it is known."""

    def has_begun(self) -> bool:
        """Whether the model server has told the worker to load."""
        return os.path.exists(self._connected)  # noqa: PTH110 - often asked

    def check_alive(self) -> None:
        """Raise WorkerLost if the worker was there and is gone without a word.

        If it left a report, the model server is about to tell how the start failed.
        """
        if self.pid is None:
            with contextlib.suppress(OSError, ValueError), open(self._forked) as file:  # noqa: PTH123
                self.pid = int(file.read())
        if os.path.exists(self._ended) and not self.report():  # noqa: PTH110 - often asked
            raise WorkerLost("the worker's process ended while it started")

    def report(self) -> dict[str, Any]:
        """What the worker wrote about its load; empty if it did not come so far."""
        try:
            with open(self._report, encoding="utf-8") as file:  # noqa: PTH123
                report = json.load(file)
        except (OSError, ValueError):
            return {}
        return report if isinstance(report, dict) else {}

    def remove(self) -> None:
        """Remove all of them."""
        for path in (self._forked, self._ended, self._connected, self._report):
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108


class WorkerStarter:
    """Starts and ends workers. The event loop owns it.

    `doors` is the folder of the workers' doors.
    """

    def __init__(
        self,
        server: CurrentServer,
        doors: Path,
        template: Template,
        *,
        timeout_s: float,
    ) -> None:
        self._server = server
        self._doors = doors
        self._template = template
        self._timeout_s = timeout_s
        self._serial = itertools.count(1)
        self._lock = StartsAndEnds()
        self._background = BackgroundTasks()

    async def start(self, folder: Path, target: str) -> StartedWorker:
        """Start a worker for what is in `folder`; `target` is for errors. Raises LoadFailed."""
        for attempt in itertools.count(1):
            await self._template.is_up()
            server = await self._server.wait()
            name = f"w{next(self._serial)}"
            if target != POOL:
                remember(name, target)
            try:
                return await self._start(server, name, folder, target, BEGUN_S * attempt)
            except (ServerGone, WorkerLost, OSError, TimeoutError) as error:
                if attempt == ATTEMPTS:
                    reason = f"No worker could be started: {error}"
                    raise _failed(target, {"message": reason}, INTERNAL) from error
                log.warning("no worker for %s: %s; trying again", target, error)
        raise AssertionError  # the count does not end

    async def end(self, worker: StartedWorker) -> None:
        """End a worker, dead or alive; returns when it is gone and what it had is free."""
        # Asked first: a worker that ended before would leave its thread in the model server to
        # another one, which the end would then interrupt.
        await self._forget(worker.server, worker.name)
        worker.door.close()
        try:
            await asyncio.wait_for(until_gone(worker.pid), END_TIMEOUT_S)
        except TimeoutError:
            kill(worker.pid)

    async def close(self) -> None:
        """Give up clearing away: the model server is about to end."""
        await self._background.close()

    async def _start(
        self, server: MmsServer, name: str, folder: Path, target: str, patience_s: float
    ) -> StartedWorker:
        signs = Signs(server.config.report_dir, name)
        ordered = asyncio.create_task(
            server.client.start_worker(name, str(folder), timeout_s=self._timeout_s)
        )
        started: StartedWorker | None = None
        try:
            async with self._lock.starting():
                has_begun = await self._until_begun(ordered, signs, HELD_S)
            if not has_begun and not await self._until_begun(ordered, signs, patience_s):
                raise WorkerLost(f"{name} did not begin in time")
            while not ordered.done():
                await asyncio.wait({ordered}, timeout=LOOK_S)
                signs.check_alive()
            ordered.result()
            door = await open_door(self._doors / name)
            hello = door.hello.result()
            started = StartedWorker(name, hello.pid, hello.generation, door, server)
        except StartFailed as error:
            report = signs.report()
            if not report and not error.is_for_room:
                raise WorkerLost(error.message) from None
            status = NO_ROOM if error.is_for_room else INTERNAL
            raise _failed(target, {"message": error.message} | report, status) from None
        finally:
            if started is None:
                await self._abandon(server, name, ordered, signs)
            signs.remove()
        return started

    async def _until_begun(
        self, ordered: asyncio.Task[None], signs: Signs, patience_s: float
    ) -> bool:
        """Return when the worker's load has begun, or all is over; False: neither, for so long."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + patience_s
        generation = self._template.generation
        while clock() < deadline_s:
            if ordered.done() or signs.has_begun():
                return True
            signs.check_alive()
            if self._template.generation != generation:
                # The former template may have died with the order; if not, the new one has it.
                generation = self._template.generation
                if signs.pid is None:
                    deadline_s = min(deadline_s, clock() + TAKEN_OVER_S)
            await asyncio.wait({ordered}, timeout=LOOK_S)
        return False

    async def _abandon(
        self, server: MmsServer, name: str, ordered: asyncio.Task[None], signs: Signs
    ) -> None:
        """Leave nothing of a start that failed.

        Where the model server has ended its part, now: it would interrupt the next worker that is
        given the same thread. Else later, since it may take a minute to find out that a worker
        does not come.
        """
        if signs.pid is not None:
            kill(signs.pid)
        forgetting = self._background.start(self._forget_once_over(server, name, ordered, signs))
        if ordered.done():
            await asyncio.wait({forgetting}, timeout=END_TIMEOUT_S)

    async def _forget_once_over(
        self, server: MmsServer, name: str, ordered: asyncio.Task[None], signs: Signs
    ) -> None:
        try:
            await asyncio.gather(ordered, return_exceptions=True)
        finally:
            ordered.cancel()
        await self._forget(server, name)
        signs.remove()  # it may have come after all

    async def _forget(self, server: MmsServer, name: str) -> None:
        """Take a name out of the model server; returns when it is, or after a second.

        The model server reads nothing for as long as a minute from a connection that lies on a
        network thread of its own which waits for a worker to start: no start must wait for that.
        """
        if server is self._server.now:
            async with self._lock.ending():
                ended = self._background.start(self._end_in(server, name))
                await asyncio.wait({ended}, timeout=ENDING_S)

    async def _end_in(self, server: MmsServer, name: str) -> None:
        try:
            await server.client.end_worker(name, timeout_s=self._timeout_s)
        except MmsError as error:
            if server is self._server.now:
                log.warning("cannot end %s: %s", name, error)


def kill(pid: int) -> None:
    """End a process now, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _failed(target: str, report: dict[str, Any], status: int) -> LoadFailed:
    kind, message = report.get("type", "LoadError"), report["message"]
    return LoadFailed.because(target, kind, message, int(report.get("status", status)))
