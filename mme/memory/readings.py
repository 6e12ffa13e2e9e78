"""How many bytes and how many tasks the endpoint may use, and how many are used.

Bytes: the budget is the smallest of the cgroup's limit, the machine's memory and the operator's own
limit. Use is the cgroup's; where no cgroup bounds us it is the machine's or, under an operator's
limit, that of our processes. Tasks: the cgroup whose limit leaves the fewest free, or the limit of
this user.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.memory.cgroups import cgroups_of_self
from mme.memory.kernel_files import KIB, numbers, text

if TYPE_CHECKING:
    from collections.abc import Callable

UNLIMITED_TASKS = 1 << 31
ROOT_UID = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at something of which there is only so much."""

    limit: int
    used: int

    @property
    def free(self) -> int:
        """What is left; below zero where more is used than may be."""
        return self.limit - self.used


class MemoryReader:
    """Reads the endpoint's memory, in bytes.

    `own_limit_bytes` is the operator's, if any; `our_use` tells what our processes use, for where
    that limit binds and no cgroup counts them.
    """

    def __init__(
        self,
        own_limit_bytes: int | None = None,
        our_use: Callable[[], int] | None = None,
        *,
        proc: Path = Path("/proc"),
        root: Path = Path("/sys/fs/cgroup"),
    ) -> None:
        self._own_limit_bytes = own_limit_bytes
        self._our_use = our_use
        self._proc = proc
        found = [
            (limit, cgroup)
            for cgroup in cgroups_of_self("memory", proc, root)
            if (limit := cgroup.limit_bytes())
        ]
        self._cgroup = min(found, key=lambda pair: pair[0])[1] if found else None

    def read(self) -> Reading:
        """Look now."""
        machine = numbers(self._proc / "meminfo", scale=KIB)
        limit = machine["MemTotal"]
        used = machine["MemTotal"] - machine["MemAvailable"]
        if self._cgroup is not None:
            limit = min(limit, self._cgroup.limit_bytes() or limit)
            used = self._cgroup.used_bytes() or used
        if self._own_limit_bytes is not None and self._own_limit_bytes < limit:
            limit = self._own_limit_bytes
            if self._cgroup is None and self._our_use is not None:
                used = self._our_use()
        return Reading(limit, used)


def user_task_limit() -> int | None:
    """RLIMIT_NPROC of this process; None if there is none."""
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    return None if soft == resource.RLIM_INFINITY else soft


class TaskReader:
    """Reads the endpoint's tasks: processes and threads, as the kernel counts them."""

    def __init__(
        self,
        *,
        proc: Path = Path("/proc"),
        root: Path = Path("/sys/fs/cgroup"),
        uid: int | None = None,
        user_limit: Callable[[], int | None] = user_task_limit,
    ) -> None:
        self._proc = proc
        self._uid = os.getuid() if uid is None else uid
        self._user_limit = user_limit
        self._cgroups = cgroups_of_self("pids", proc, root)

    def read(self) -> Reading:
        """Look now; the tightest bound counts."""
        found = [
            Reading(limit, used)
            for cgroup in self._cgroups
            if (limit := cgroup.limit_tasks()) and (used := cgroup.used_tasks()) is not None
        ]
        # The kernel does not hold root to the limit of a user.
        limit = None if self._uid == ROOT_UID else self._user_limit()
        if limit is not None:
            found.append(Reading(limit, self._user_tasks(limit)))
        return min(found, key=lambda each: each.free, default=Reading(UNLIMITED_TASKS, 0))

    def _user_tasks(self, limit: int) -> int:
        """How many tasks our user has.

        Nobody has more than the machine has tasks, and that number is cheap: as long as it is far
        from the limit, it will do.
        """
        machine = text(self._proc / "loadavg").split()
        tasks = machine[3].partition("/")[2] if len(machine) > 3 else ""  # noqa: PLR2004
        if tasks.isdecimal() and int(tasks) <= limit // 2:
            return int(tasks)
        return sum(
            _threads(folder, self._uid)
            for folder in self._proc.iterdir()
            if folder.name.isdecimal()
        )


def _threads(process: Path, uid: int) -> int:
    """The threads of a process if it is of user `uid`, else 0."""
    status = numbers(process / "status")
    return status.get("Threads", 0) if status.get("Uid") == uid else 0
