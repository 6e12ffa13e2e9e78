"""Models whose worker died without being told to: unloaded and loaded again under their name.

The model server does not start a dead worker anew: it keeps the name and lets requests wait. In a
standalone endpoint residency sees to that; in a container a platform believes the model loaded, so
it is brought back here. Workers are found by the reports they leave of each load, and their end is
the kernel's word (a pidfd).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mme.mms.client import MmsError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from mme.mms.client import MmsClient
    from mme.mms.server import MmsServer

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
GRACE_S = 1.5
"""A worker that ends because its model is being unloaded is gone before its name is."""
LOAD_TIMEOUT_S = 360.0
NOT_FOUND = 404


class Mender:
    """Watches the workers of one model server at a time. Owned by the event loop."""

    def __init__(self) -> None:
        self._workers: dict[str, tuple[int, int]] = {}  # name -> process id, pidfd
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, server: MmsServer) -> None:
        """Watch the workers of `server`, which is up."""
        self._own(self._look_for_workers(server.client, server.config.report_dir))

    def detach(self) -> None:
        """The server is down, and all of its workers with it."""
        for task in self._tasks:
            task.cancel()
        for name in list(self._workers):
            self._forget(name)

    async def close(self) -> None:
        """End every task."""
        self.detach()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_for_workers(self, client: MmsClient, report_dir: Path) -> None:
        while True:
            self._take_in_reports(client, report_dir)
            await asyncio.sleep(LOOK_EVERY_S)

    def _take_in_reports(self, client: MmsClient, report_dir: Path) -> None:
        for report in report_dir.glob("*.json"):
            self._take_in(client, report)

    def _take_in(self, client: MmsClient, report: Path) -> None:
        """Watch the worker whose report this is; the report has done its duty then."""
        name = report.stem
        try:
            loaded_at = report.stat().st_mtime
            pid = json.loads(report.read_text(encoding="utf-8")).get("pid")
        except (OSError, ValueError):
            return
        report.unlink(missing_ok=True)
        if not isinstance(pid, int):
            return  # of a load that failed
        self._forget(name)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            self._died(client, name, pid, loaded_at)
            return
        self._workers[name] = (pid, pidfd)
        asyncio.get_running_loop().add_reader(pidfd, self._died, client, name, pid, loaded_at)

    def _forget(self, name: str) -> None:
        _, pidfd = self._workers.pop(name, (0, None))
        if pidfd is not None:
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)

    def _died(self, client: MmsClient, name: str, pid: int, loaded_at: float) -> None:
        self._forget(name)
        self._own(self._mend(client, name, pid, loaded_at))

    async def _mend(self, client: MmsClient, name: str, pid: int, loaded_at: float) -> None:
        await asyncio.sleep(GRACE_S)
        try:
            described = await client.describe(name, timeout_s=LOAD_TIMEOUT_S)
            if name in self._workers or is_another_load(described, loaded_at):
                return
            log.warning("the worker of %s (pid %d) died; loading it again", name, pid)
            await client.unregister(name, timeout_s=LOAD_TIMEOUT_S)
            await client.register(name, described["modelUrl"], timeout_s=LOAD_TIMEOUT_S)
        except MmsError as error:
            if error.status != NOT_FOUND:
                log.warning("%s is not loaded any more: %s", name, error)


def is_another_load(described: Mapping[str, Any], loaded_at: float) -> bool:
    """Whether what the server says of a model is of a load begun after one had ended."""
    return any(
        datetime.fromisoformat(worker["startTime"]).timestamp() > loaded_at
        for worker in described.get("workers", [])
    )
