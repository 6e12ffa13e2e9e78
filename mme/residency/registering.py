"""Bringing an artifact from this disk into the model server: a worker that answers, or why not.

A worker gets a name that was never used before. The model server's threads are pooled, and letting
one model go may interrupt the thread that has just begun to start another (MMS 1.1.11,
`WorkerThread.shutdown`): that start fails, or never ends. So the two take turns, and a failure of
which the worker says nothing is tried again, under a new name.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from mme.core.errors import LoadFailed
from mme.mms import MmsError
from mme.residency.table import Model, State
from mme.residency.turns import Turns

if TYPE_CHECKING:
    from pathlib import Path

    from mme.cache import CachedArtifact
    from mme.core.settings import Settings
    from mme.mms import MmsClient
    from mme.residency.tasks import Tasks

log = logging.getLogger(__name__)

NOT_FOUND, INTERNAL = 404, 500
WORKER_SUFFIX = "-w"
"""What stands between an artifact's name and the number of a worker that serves it."""
ATTEMPTS = 2
STARTING, ENDING = 0, 1
STARTED_LOOK_S, STARTED_LOOKS = 0.01, 200
SIGN_S = 10.0
"""How often it is looked whether a forked worker lives, which it should within milliseconds."""


class WorkerNotStarted(Exception):
    """The model server failed to start a worker; the model had no part in it."""


class Registrar:
    """Loads artifacts into the model server of the moment and takes them out again."""

    def __init__(self, settings: Settings, tasks: Tasks) -> None:
        self._tasks = tasks
        self._timeout_s = settings.load_timeout_s
        self._forked = settings.workers == "prefork"
        self._serial = itertools.count(1)
        self._turns = Turns()

    async def load(self, artifact: CachedArtifact, mms: MmsClient, report_dir: Path) -> Model:
        """Load an unpacked artifact; returns when it answers. Raises LoadFailed.

        On failure the model server does not know it, or will not when it notices.
        """
        for attempt in itertools.count(1):
            name = f"{artifact.name}{WORKER_SUFFIX}{next(self._serial)}"
            try:
                return await self._load(name, artifact, mms, report_dir)
            except WorkerNotStarted as error:
                if attempt == ATTEMPTS:
                    raise _failed(artifact, {}, INTERNAL, str(error)) from error
                log.warning("no worker for %s: %s; trying again", artifact.target, error)
        raise AssertionError  # the count does not end

    async def forget(self, name: str, mms: MmsClient) -> None:
        """Take a worker out of the model server if it is there; failures are only logged."""
        try:
            async with self._turns.of(ENDING):
                await mms.unregister(name, timeout_s=self._timeout_s)
        except MmsError as error:
            if error.status != NOT_FOUND:
                log.warning("cannot unload %s: %s", name, error)

    async def _load(
        self, name: str, artifact: CachedArtifact, mms: MmsClient, report_dir: Path
    ) -> Model:
        report_file, sign = report_dir / f"{name}.json", report_dir / f"{name}.forked"
        connected = report_dir / f"{name}.connected"
        async with self._turns.of(STARTING):
            registered = asyncio.create_task(
                mms.register(name, str(artifact.model_dir), timeout_s=self._timeout_s)
            )
            await self._started(registered, connected)
        try:
            while self._forked and not registered.done():
                await asyncio.wait({registered}, timeout=SIGN_S)
                if not registered.done() and not _lives(sign):
                    self._tasks.start(self._give_up(name, registered, mms))
                    raise WorkerNotStarted("there is no such process, and no answer either")
            # Shielded: whoever cancels us has the worker taken out below.
            await asyncio.shield(registered)
        except MmsError as error:
            await self.forget(name, mms)
            report = _read_report(report_file)
            if error.status == INTERNAL and "status" not in report:
                raise WorkerNotStarted(error.message) from None
            raise _failed(artifact, report, error.status, error.message) from None
        except asyncio.CancelledError:
            await asyncio.shield(self._give_up(name, registered, mms))
            raise
        finally:
            for path in (sign, connected):
                path.unlink(missing_ok=True)
        report = _read_report(report_file)
        return Model(
            target=artifact.target,
            name=artifact.name,
            server_name=name,
            version=artifact.version,
            archive_bytes=artifact.archive_bytes,
            unpacked_bytes=artifact.unpacked_bytes,
            state=State.LOADING,
            pid=report.get("pid"),
            parent_pid=report.get("parent_pid"),
            details=report.get("model", {}),
        )

    async def _started(self, registered: asyncio.Task[None], connected: Path) -> None:
        """Return when the model server has the worker it wanted, or should have it long since."""
        for _ in range(STARTED_LOOKS if self._forked else 0):
            await asyncio.wait({registered}, timeout=STARTED_LOOK_S)
            if registered.done() or os.path.exists(connected):  # noqa: ASYNC240, PTH110 - no wait
                break

    async def _give_up(self, name: str, registered: asyncio.Task[None], mms: MmsClient) -> None:
        registered.cancel()
        await asyncio.gather(registered, return_exceptions=True)
        await self.forget(name, mms)


def _lives(sign: Path) -> bool:
    """Whether the worker the prefork server left this sign of is there."""
    try:
        os.kill(int(sign.read_text(encoding="ascii")), 0)
    except (OSError, ValueError):
        return False
    return True


def _failed(
    artifact: CachedArtifact, report: dict[str, Any], status: int, message: str
) -> LoadFailed:
    body = {
        "type": report.get("type", "LoadError"),
        "message": report.get("message", message),
        "target_model": artifact.target,
    }
    text = json.dumps(body, ensure_ascii=False)
    return LoadFailed(artifact.target, int(report.get("status", status or INTERNAL)), text)


def _read_report(path: Path) -> dict[str, Any]:
    """What the worker wrote about its load; empty if it did not come so far."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    path.unlink(missing_ok=True)
    return report if isinstance(report, dict) else {}
