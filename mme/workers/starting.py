"""Starting a worker and ending it, through the model server of the moment.

A worker gets a name that was never used before: a name whose start failed may stay half registered.
What can go wrong without the model's doing - the template or the model server dies meanwhile, a
thread of the model server is lost - is tried again; what the model's own load raised is an error
with its reason. How many workers there shall be is for `pool.py`.
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

from mme.core.errors import LoadFailed
from mme.mms.client import MmsError, ServerGone, StartFailed
from mme.mms.starts_and_ends import StartsAndEnds
from mme.supervise import until_gone
from mme.workers.door import Door, open_door

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mme.mms import MmsServer
    from mme.workers.server import CurrentServer

log = logging.getLogger(__name__)

ATTEMPTS = 5
INTERNAL, NO_ROOM = 500, 507
LOOK_S, HELD_LOOKS = 0.005, 400
"""How often it is looked for a sign of the start, and how often while ends are held up by it."""
BEGUN_S = 5.0
"""From the order to the worker's load having begun, which takes some 20 ms."""
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


class WorkerStarter:
    """Starts and ends workers. The event loop owns it.

    `template_is_up` returns when there is a template; `doors` is the folder of the workers' doors.
    """

    def __init__(
        self,
        server: CurrentServer,
        doors: Path,
        template_is_up: Callable[[], Awaitable[None]],
        *,
        timeout_s: float,
    ) -> None:
        self._server = server
        self._doors = doors
        self._template_is_up = template_is_up
        self._timeout_s = timeout_s
        self._serial = itertools.count(1)
        self._lock = StartsAndEnds()

    async def start(self, folder: Path, target: str) -> StartedWorker:
        """Start a worker for what is in `folder`; `target` is for errors. Raises LoadFailed."""
        for attempt in itertools.count(1):
            await self._template_is_up()
            server = await self._server.wait()
            name = f"w{next(self._serial)}"
            try:
                return await self._start(server, name, folder, target)
            except (ServerGone, WorkerLost, OSError, TimeoutError) as error:
                if attempt == ATTEMPTS:
                    reason = f"No worker could be started: {error}"
                    raise _failed(target, {"message": reason}, INTERNAL) from error
                log.warning("no worker for %s: %s; trying again", target, error)
        raise AssertionError  # the count does not end

    async def end(self, worker: StartedWorker) -> None:
        """End a worker, dead or alive; returns when it is gone and what it had is free."""
        worker.door.close()
        await self._forget(worker.server, worker.name)
        try:
            await asyncio.wait_for(until_gone(worker.pid), END_TIMEOUT_S)
        except TimeoutError:
            kill(worker.pid)

    async def _start(
        self, server: MmsServer, name: str, folder: Path, target: str
    ) -> StartedWorker:
        reports = server.config.report_dir
        ordered = asyncio.create_task(
            server.client.start_worker(name, str(folder), timeout_s=self._timeout_s)
        )
        signs = [reports / f"{name}.{ending}" for ending in ("forked", "connected", "json")]
        started: StartedWorker | None = None
        try:
            async with self._lock.starting():
                await self._until(ordered, signs[1], HELD_LOOKS)
            await self._until(ordered, signs[1], int(BEGUN_S / LOOK_S))
            if not ordered.done() and not signs[1].exists():
                raise WorkerLost(f"{name} did not begin within {BEGUN_S:g} s")
            await asyncio.shield(ordered)
            door = await open_door(self._doors / name)
            hello = door.hello.result()
            started = StartedWorker(name, hello.pid, hello.generation, door, server)
        except StartFailed as error:
            report = _report(signs[2])
            if not report and not error.is_for_room:
                raise WorkerLost(error.message) from None
            status = NO_ROOM if error.is_for_room else INTERNAL
            raise _failed(target, {"message": error.message} | report, status) from None
        finally:
            if started is None:
                await asyncio.shield(self._abandon(server, name, ordered, signs[0]))
            for path in signs:
                path.unlink(missing_ok=True)
        return started

    async def _until(self, ordered: asyncio.Task[None], sign: Path, looks: int) -> None:
        for _ in range(looks):
            if ordered.done() or os.path.exists(sign):  # noqa: ASYNC240, PTH110 - no wait
                return
            await asyncio.wait({ordered}, timeout=LOOK_S)

    async def _abandon(
        self, server: MmsServer, name: str, ordered: asyncio.Task[None], forked: Path
    ) -> None:
        """Leave nothing of a start that failed, or that nobody wants any more."""
        ordered.cancel()
        await asyncio.gather(ordered, return_exceptions=True)
        with contextlib.suppress(OSError, ValueError):
            kill(int(forked.read_text(encoding="ascii")))  # noqa: ASYNC240 - a few bytes
        await self._forget(server, name)

    async def _forget(self, server: MmsServer, name: str) -> None:
        """Take a name out of the model server; failures are only logged."""
        if server is not self._server.now:
            return
        try:
            async with self._lock.ending():
                await server.client.end_worker(name, timeout_s=self._timeout_s)
        except MmsError as error:
            if server is self._server.now:
                log.warning("cannot end %s: %s", name, error)


def kill(pid: int) -> None:
    """End a process now, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _failed(target: str, report: dict[str, Any], status: int) -> LoadFailed:
    body = {
        "type": report.get("type", "LoadError"),
        "message": report["message"],
        "target_model": target,
    }
    text = json.dumps(body, ensure_ascii=False)
    return LoadFailed(target, int(report.get("status", status)), text)


def _report(path: Path) -> dict[str, Any]:
    """What the worker wrote about its load; empty if it did not come so far."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
