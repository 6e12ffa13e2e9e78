"""Which cgroups bound this process, and what each says of memory and tasks; version 1 or 2.

Leaves to `readings.py` which of them counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mme.memory.kernel_files import KIB, number, numbers, text

UNLIMITED_BYTES = 1 << 60
"""Version 1 writes a huge number for "no limit"."""
KERNEL_PARTS = ("SReclaimable", "SUnreclaim", "PageTables", "KernelStack")


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One cgroup's files. A limit or a use is None where the files tell none."""

    folder: Path
    version: int
    proc: Path = Path("/proc")

    @property
    def is_unified(self) -> bool:
        """Whether it is of version 2."""
        return self.version == 2  # noqa: PLR2004

    def limit_bytes(self) -> int | None:
        """The memory limit of this cgroup alone."""
        name = "memory.max" if self.is_unified else "memory.limit_in_bytes"
        limit = number(self.folder / name)
        return limit if limit is not None and limit < UNLIMITED_BYTES else None

    def used_bytes(self) -> int | None:
        """Memory in use, less what the kernel takes back when it gets tight."""
        two = self.is_unified
        usage = number(self.folder / ("memory.current" if two else "memory.usage_in_bytes"))
        if usage is None:
            return None
        stat = numbers(self.folder / "memory.stat")
        prefix = "" if two else "total_"
        # Active file pages are taken back too when it gets tight; mapped artifacts are among them.
        reclaimable = stat.get(f"{prefix}inactive_file", 0) + stat.get(f"{prefix}active_file", 0)
        # Starting a process lists the front end's open files; the kernel keeps those lists for as
        # long as it has room: gigabytes, with a thousand workers.
        reclaimable += stat.get("slab_reclaimable", 0) if two else self._reclaimable_slab_bytes()
        return max(0, usage - reclaimable)

    def limit_tasks(self) -> int | None:
        """The task limit of this cgroup alone."""
        return number(self.folder / "pids.max")

    def used_tasks(self) -> int | None:
        """Tasks in it and below it."""
        return number(self.folder / "pids.current")

    def _reclaimable_slab_bytes(self) -> int:
        """Version 1 tells the kernel's memory as one sum; it is split here as the machine's is."""
        kernel = number(self.folder / "memory.kmem.usage_in_bytes")
        machine = numbers(self.proc / "meminfo", scale=KIB)
        parts = [machine.get(name, 0) for name in KERNEL_PARTS]
        return int((kernel or 0) * parts[0] / max(1, sum(parts)))


def cgroups_of_self(
    controller: str, proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")
) -> list[Cgroup]:
    """The cgroups of this process for `controller` ("memory", "pids"), from ours up to the root.

    Inside a container the path in /proc/self/cgroup may be the host's: then the mounted root is
    ours.
    """
    unified, own = None, None
    for line in text(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            own = path
        elif controllers == "":
            unified = path
    if own is not None:
        return [Cgroup(folder, 1, proc) for folder in _up(root / controller, own)]
    if unified is not None:
        return [Cgroup(folder, 2, proc) for folder in _up(root, unified)]
    return []


def _up(root: Path, path: str) -> list[Path]:
    """The folders of a cgroup and its parents below `root`, those that exist."""
    here = root / path.strip("/")
    folders = [here, *here.parents] if here.is_dir() else [root]
    return [folder for folder in folders if folder.is_relative_to(root) and folder.is_dir()]
