"""A cgroup as a container has it: so much memory, so many tasks, and what became of them."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.footprint import MIB
from benchmarks.table import NotPossible
from tests.support.cgroup import MemoryCgroup, TasksCgroup, memory_cgroup, tasks_cgroup

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the processes of one endpoint may have together."""

    memory: MemoryCgroup
    tasks: TasksCgroup

    def enter(self) -> None:
        """Move the calling process in; for a child between fork and exec."""
        for folder in {self.memory.folder, self.tasks.folder}:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def kills(self) -> int:
        """Processes the kernel killed for want of memory."""
        return self.memory.kills

    def __str__(self) -> str:
        used_mib, count = self.anonymous_bytes / MIB, self.tasks.tasks
        return f"{used_mib:.0f} MiB without files, {count} tasks, {self.kills} killed"

    @property
    def anonymous_bytes(self) -> int:
        """What cannot be taken back: without the pages of files."""
        lines = (self.memory.folder / "memory.stat").read_text().splitlines()
        values = {name: int(value) for name, value in map(str.split, lines)}
        return values.get("total_rss", values.get("anon", 0))


@contextlib.contextmanager
def bounded(limit_bytes: int, most_tasks: int | None = None) -> Iterator[Bounds]:
    """A cgroup with these limits. Raises NotPossible where none can be made."""
    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(memory_cgroup(limit_bytes))
        if memory is None:
            raise NotPossible("no memory cgroup can be made here; root can, where cgroups are")
        if (memory.folder / "pids.max").exists():  # version 2: one folder for both
            tasks: TasksCgroup | None = TasksCgroup(memory.folder)
        else:
            tasks = stack.enter_context(tasks_cgroup())
        if tasks is None:
            raise NotPossible("no cgroup that counts tasks can be made here")
        tasks.limit(most_tasks)
        yield Bounds(memory, tasks)
