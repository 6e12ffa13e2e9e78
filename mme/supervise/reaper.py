"""Orphans: processes whose parent died and that the kernel hands to us.

Workers are forks of a template that may end before them, and what the model server starts may
outlive it: both become orphans. As PID 1 of a container, or as a *subreaper* anywhere else, we
inherit and must collect them, or they stay zombies. Children we started ourselves are left to their
owners.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Make orphaned descendants our children instead of the machine's init's."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        log.warning("cannot become a subreaper: %s", os.strerror(ctypes.get_errno()))


def reap_orphans(own: Collection[int]) -> list[int]:
    """Collect every ended child that is not in `own`; returns their process ids, oldest first."""
    reaped: list[int] = []
    for pid in _children():
        if pid in own:
            continue
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
        if ended:
            reaped.append(ended)
    return reaped


def _children() -> list[int]:
    """Our children by process id, across our threads."""
    pids: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        # The thread may end meanwhile.
        with contextlib.suppress(OSError):
            pids += [int(pid) for pid in (task / "children").read_text("ascii").split()]
    return sorted(pids)
