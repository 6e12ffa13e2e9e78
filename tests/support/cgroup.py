"""A real memory cgroup for a test's processes; only root can make one."""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryCgroup:
    """A bounded cgroup: how to enter it, and what became of it."""

    folder: Path
    version: int

    def enter(self) -> None:
        """Move the calling process in; for a child between fork and exec."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def peak_bytes(self) -> int:
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        return int((self.folder / name).read_text())

    @property
    def used_bytes(self) -> int:
        name = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        return int((self.folder / name).read_text())

    @property
    def kills(self) -> int:
        """Processes the kernel killed for want of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        lines = (self.folder / name).read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.split()[0] == "oom_kill")


@contextlib.contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[MemoryCgroup | None]:
    """A cgroup with a limit, removed at the end; None where none can be made."""
    group = _make(limit_bytes)
    try:
        yield group
    finally:
        if group is not None:
            with contextlib.suppress(OSError):
                group.folder.rmdir()


def _make(limit_bytes: int) -> MemoryCgroup | None:
    name = f"mme-test-{uuid.uuid4().hex[:8]}"
    for version, parent, limit in (
        (1, ROOT / "memory", "memory.limit_in_bytes"),
        (2, ROOT, "memory.max"),
    ):
        folder = parent / name
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / limit).write_text(str(limit_bytes))
        except OSError:
            folder.rmdir()
            continue
        return MemoryCgroup(folder, version)
    return None


@dataclass(frozen=True)
class TasksCgroup:
    """A cgroup that counts tasks; its limit may be set while they run."""

    folder: Path

    def enter(self) -> None:
        """Move the calling process in; for a child between fork and exec."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def tasks(self) -> int:
        return int((self.folder / "pids.current").read_text())

    @property
    def refusals(self) -> int:
        """How many forks and threads the kernel refused."""
        return int((self.folder / "pids.events").read_text().split()[1])

    def limit(self, most: int | None) -> None:
        (self.folder / "pids.max").write_text("max" if most is None else str(most))


@contextlib.contextmanager
def tasks_cgroup() -> Iterator[TasksCgroup | None]:
    """A cgroup without a limit yet, removed at the end; None where none can be made."""
    for parent in (ROOT / "pids", ROOT):
        folder = parent / f"mme-test-{uuid.uuid4().hex[:8]}"
        with contextlib.suppress(OSError):
            folder.mkdir()
            if (folder / "pids.max").exists():
                break
            folder.rmdir()
    else:
        yield None
        return
    try:
        yield TasksCgroup(folder)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()
