"""Work in a process apart, so that the memory it needs is not ours afterwards.

Converting an artifact takes many times what the converted one does, in small pieces all over the
heap, and a process that is to live long and small would keep the pages. A fork of it does not.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def done_apart(work: Callable[[], object]) -> bool:
    """Do `work` in a fork; False if that cannot be, or it raised there. Its result is lost.

    Raises MemoryError if the kernel killed the fork, which is what it does where memory is short.
    With more than one thread nothing is forked: another one may hold a lock that `work` needs.
    """
    if len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208
        return False
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        return False
    if pid == 0:
        _work_and_exit(work, parent)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == -signal.SIGKILL:
        raise MemoryError("the process that converted the artifact was killed")
    return code == 0


def _work_and_exit(work: Callable[[], object], parent: int) -> None:
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            work()
            code = 0
    finally:
        os._exit(code)
