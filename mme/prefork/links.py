"""Ties between processes that the kernel keeps: who ends whom, with nobody watching.

A pipe whose other end closes raises a signal in whoever asked for it with O_ASYNC; asked for as
SIGKILL, it ends a process wherever it is, in the middle of a computation as well. (fcntl(2),
F_SETOWN and F_SETSIG.)
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OPEN_TIMEOUT_S = 5.0
RETRY_S = 0.0005
NOTICED_S = 0.05
"""From the end of a process being collected to its parent's code acting on it."""


class LinkBroken(RuntimeError):
    """The other side is gone already."""


def die_when_closed(descriptor: int) -> None:
    """Let the kernel kill this process when the other end of the pipe `descriptor` closes.

    Raises LinkBroken if it has closed already. `descriptor` must be an open file of our own: the
    flag would affect everybody who shares it.
    """
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    # It may have closed before the flag was set: then there will be no signal.
    watch = select.poll()
    watch.register(descriptor, 0)
    if any(event & (select.POLLHUP | select.POLLERR) for _, event in watch.poll(0)):
        raise LinkBroken(f"descriptor {descriptor}")


def outlive(launcher: int, descriptors: Sequence[int]) -> None:
    """End the launcher first, and return when its parent has collected it.

    `descriptors` are those `die_when_closed` was called for; they count no longer.
    """
    for descriptor in descriptors:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_ASYNC)
    with contextlib.suppress(ProcessLookupError):
        os.kill(launcher, signal.SIGKILL)
    deadline_s = time.monotonic() + OPEN_TIMEOUT_S
    while os.path.exists(f"/proc/{launcher}"):  # noqa: PTH110 - no objects after a fork
        if time.monotonic() > deadline_s:
            return
        time.sleep(RETRY_S)
    time.sleep(NOTICED_S)


def open_lifeline(path: str, launcher: int) -> int:
    """Open the writing end of a launcher's lifeline, which it may be about to open for reading.

    The descriptor must stay open and unused for as long as this process lives.
    """
    deadline_s = time.monotonic() + OPEN_TIMEOUT_S
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            # ENXIO: nobody reads yet.
            if error.errno != errno.ENXIO or time.monotonic() > deadline_s:
                raise LinkBroken(f"launcher {launcher} does not read its lifeline") from error
            if not os.path.exists(f"/proc/{launcher}"):  # noqa: PTH110 - no objects after a fork
                raise LinkBroken(f"launcher {launcher} is gone") from error
            time.sleep(RETRY_S)
