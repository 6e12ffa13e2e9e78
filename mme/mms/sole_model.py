"""The one model of a single-model container, loaded: a child to be kept like the others.

Its worker is the model server's, so its end is seen through a pidfd and its exit code is nobody's
to know. How often it is loaded again is the keeper's business.
"""

from __future__ import annotations

import contextlib
import json
import signal
from typing import TYPE_CHECKING

from mme.mms.client import NO_ANSWER, MmsError
from mme.supervise import StartError, until_gone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mme.mms.server import MmsServer

UNLOAD_TIMEOUT_S = 10.0
ATTEMPTS = 3


class SoleModel:
    """One loaded model; ends when its worker does."""

    NAME = "model"

    def __init__(self, server: MmsServer, pid: int) -> None:
        self.server = server
        self.pid = pid

    @classmethod
    async def load(
        cls, current_server: Callable[[], Awaitable[MmsServer]], model_dir: Path, timeout_s: float
    ) -> SoleModel:
        """Load the model in `model_dir`; `current_server` waits for one that is up.

        Raises StartError with the worker's reason.
        """
        for attempt in range(1, ATTEMPTS + 1):
            server = await current_server()
            report_file = server.config.report_dir / f"{SoleModel.NAME}.json"
            try:
                await _unload(server)
                report_file.unlink(missing_ok=True)
                await server.client.register(cls.NAME, str(model_dir), timeout_s=timeout_s)
            except MmsError as error:
                # No answer: the model server went down under it, and comes back.
                if error.status == NO_ANSWER and attempt < ATTEMPTS:
                    continue
                reason = _report(report_file).get("message", error.message)
                raise StartError(f"the model in {model_dir} cannot be loaded: {reason}") from None
            pid = _report(report_file).get("pid")
            if isinstance(pid, int):
                return cls(server, pid)
        raise StartError(f"the model in {model_dir} was loaded by a worker that did not say so")

    async def wait(self) -> int:
        """Return when the worker has ended; workers end by being killed."""
        await until_gone(self.pid)
        return -signal.SIGKILL

    async def stop(self) -> None:
        """Unload it; harmless if its server is gone."""
        with contextlib.suppress(MmsError, RuntimeError):  # RuntimeError: the session is closed
            await _unload(self.server)


async def _unload(server: MmsServer) -> None:
    try:
        await server.client.unregister(SoleModel.NAME, timeout_s=UNLOAD_TIMEOUT_S)
    except MmsError as error:
        if error.status != 404:  # noqa: PLR2004 - that is what was wanted
            raise


def _report(path: Path) -> dict[str, object]:
    """What the worker wrote about its load; empty if it did not come so far."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
