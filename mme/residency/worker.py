"""The worker behind a resident model: is it alive, and who waits for its answer.

The model server neither restarts a dead worker nor answers those who wait for it, so its death is
seen here, by the kernel's word (a pidfd). The request the worker was busy with is answered by the
model server, with "Worker died."; the others never reached it and may be sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from mme.core.errors import ModelFailed
from mme.mms import NO_ANSWER, MmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.mms import MmsAnswer, MmsClient

ANSWER_GRACE_S = 0.25
"""How long after a death the model server's word on the running request is waited for."""


class WorkerGone(Exception):
    """The worker died before it saw this request."""


class Worker:
    """One model's worker, if its process id is known, and the requests under way to it.

    Owned by the event loop; `close` must be called when the model is unloaded.
    """

    def __init__(self, target: str, pid: int | None, on_death: Callable[[], None]) -> None:
        self.pid = pid
        self.is_dead = False
        self._failure: str | None = None
        self._target = target
        self._on_death = on_death
        self._waiting: set[asyncio.Timeout] = set()
        self._pidfd: int | None = None
        if pid is not None:
            self._watch(pid)

    async def request(
        self,
        mms: MmsClient,
        name: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> MmsAnswer:
        """Send one request. Raises WorkerGone, or ModelFailed if no answer came."""
        if self.is_dead:
            raise WorkerGone
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                self._waiting.add(deadline)
                try:
                    return await mms.invoke(name, headers, body)
                finally:
                    self._waiting.discard(deadline)
        except TimeoutError:
            if self._failure is not None:
                raise ModelFailed(self._target, NO_ANSWER, self._failure) from None
            if self.is_dead:
                raise WorkerGone from None
            reason = f"the model did not answer within {timeout_s:g} s"
            raise ModelFailed(self._target, NO_ANSWER, reason) from None
        except MmsError as error:
            raise ModelFailed(self._target, NO_ANSWER, error.message) from None

    def close(self, reason: str) -> None:
        """Stop watching; whoever still waits is told `reason`: the worker may have seen it."""
        self._unwatch()
        self._failure = reason
        self._release()

    def give_up(self) -> None:
        """Use this worker no more; whoever waits, but for the one it is busy with, asks again."""
        if not self.is_dead:
            self._unwatch()
            self._release()

    def _watch(self, pid: int) -> None:
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:  # dead already, or a kernel without pidfds: then the next request tells
            return
        asyncio.get_running_loop().add_reader(self._pidfd, self._died)

    def _unwatch(self) -> None:
        if self._pidfd is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _died(self) -> None:
        self._unwatch()
        self.is_dead = True
        asyncio.get_running_loop().call_later(ANSWER_GRACE_S, self._release)
        self._on_death()

    def _release(self) -> None:
        self.is_dead = True
        now_s = asyncio.get_running_loop().time()
        for deadline in list(self._waiting):
            if not deadline.expired():
                deadline.reschedule(now_s)
