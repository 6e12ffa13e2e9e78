"""A child process with everything it starts: begun as a session, ended as one.

Answers how a child is started so that it cannot outlive us, and how it is stopped so that nothing
of it stays. Leaves to the owner what to do when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from mme.supervise.output import ChildOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
POLL_S = 0.02
ENDED = ("Z", "X")
"""The kernel's letters for a process that is no more than an exit code."""
GONE_TIMEOUT_S = 5.0


def _die_with_parent() -> None:
    """Run in the child between fork and exec: the kernel kills it when our thread is gone."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_owned: set[int] = set()


def owned_pids() -> frozenset[int]:
    """The processes that have an owner here which collects them."""
    return frozenset(_owned)


class ChildProcess:
    """One running child that leads its own session, so that its descendants can be found.

    Not safe for use from several tasks; the owner awaits `wait` in one task and calls `stop` once.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, output: ChildOutput) -> None:
        self.name = name
        self._output = output
        self._process = process
        _owned.add(process.pid)
        self._collected = asyncio.create_task(process.wait())
        self._collected.add_done_callback(lambda _: _owned.discard(process.pid))

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        on_line: Callable[[str], None],
    ) -> ChildProcess:
        """Start `command` in `folder`; `on_line` hears what it writes on stdout and stderr."""
        output = await ChildOutput.open(on_line)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output.descriptor,
                stderr=output.descriptor,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        except BaseException:
            output.close()
            raise
        finally:
            output.hand_over()
        return cls(name, process, output)

    @property
    def pid(self) -> int:
        """The child's process id, which is also its session's and group's."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._process.returncode

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, also if it has not been collected yet."""
        if self._process.returncode is not None:
            return True
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text("ascii", "replace")
        except OSError:
            return True
        return stat.rpartition(")")[2].split()[0] in ENDED

    async def wait(self) -> int:
        """Return the exit code once the child has ended (its descendants may still run)."""
        return await self._process.wait()

    async def stop(self, grace_s: float) -> None:
        """End the child and its whole group; returns when all of it is gone, and was heard.

        SIGTERM first and SIGKILL after `grace_s`; with 0, SIGKILL at once.
        """
        if grace_s > 0:
            self._signal_group(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), grace_s)
            except TimeoutError:
                log.warning("%s (pid %d) ignored SIGTERM for %g s", self.name, self.pid, grace_s)
        self._signal_group(signal.SIGKILL)
        await self._process.wait()
        await self._until_gone()
        await self._output.ended()

    async def _until_gone(self) -> None:
        deadline = asyncio.get_running_loop().time() + GONE_TIMEOUT_S
        while self._group_exists():
            if asyncio.get_running_loop().time() > deadline:
                log.warning("processes of %s (group %d) are still there", self.name, self.pid)
                return
            await asyncio.sleep(POLL_S)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _group_exists(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True
