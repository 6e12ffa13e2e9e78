"""The end of a process that is not our child: the kernel's word for it, a pidfd."""

from __future__ import annotations

import asyncio
import os


async def until_gone(pid: int) -> None:
    """Return when the process has ended, also if somebody has yet to collect it."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
