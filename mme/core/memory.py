"""How much memory there is and how much of it is used, as the kernel counts it.

The budget is the smallest of the cgroup's limit (version 2 or 1), the machine's memory and the
operator's own limit. Use is the cgroup's usage less what the kernel takes back when it gets tight:
file pages and caches of its own. Where no cgroup bounds us it is the machine's use, or, under an
operator's limit, that of our processes. What one model costs is read from its process.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KIB = 1024
UNLIMITED_BYTES = 1 << 60
"""Version 1 writes a huge number for "no limit"."""
KERNEL_PARTS = ("SReclaimable", "SUnreclaim", "PageTables", "KernelStack")


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """One look at the memory this endpoint may use."""

    limit_bytes: int
    used_bytes: int

    @property
    def used_share(self) -> float:
        """Used part of the limit."""
        return self.used_bytes / self.limit_bytes


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The files that bound and count our memory; None where there is no such bound."""

    folder: Path
    version: int
    proc: Path = Path("/proc")

    def limit_bytes(self) -> int | None:
        """The limit of this cgroup alone."""
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"  # noqa: PLR2004
        text = _text(self.folder / name)
        if not text or text == "max":
            return None
        limit = int(text)
        return limit if limit < UNLIMITED_BYTES else None

    def used_bytes(self) -> int | None:
        """Usage less what is reclaimable."""
        two = self.version == 2  # noqa: PLR2004
        text = _text(self.folder / ("memory.current" if two else "memory.usage_in_bytes"))
        if not text:
            return None
        stat = _stat(self.folder / "memory.stat")
        prefix = "" if two else "total_"
        # Active file pages are taken back too when it gets tight; mapped artifacts are among them.
        reclaimable = stat.get(f"{prefix}inactive_file", 0) + stat.get(f"{prefix}active_file", 0)
        # Starting a process lists the front end's open files; the kernel keeps those lists for as
        # long as it has room: gigabytes, with a thousand models.
        reclaimable += stat.get("slab_reclaimable", 0) if two else self._reclaimable_slab_bytes()
        return max(0, int(text) - reclaimable)

    def _reclaimable_slab_bytes(self) -> int:
        """Version 1 tells the kernel's memory as one sum; it is split here as the machine's is."""
        kernel = _text(self.folder / "memory.kmem.usage_in_bytes")
        machine = _stat(self.proc / "meminfo", scale=KIB)
        parts = [machine.get(name, 0) for name in KERNEL_PARTS]
        return int(int(kernel or 0) * parts[0] / max(1, sum(parts)))


def find_cgroup(proc: Path = Path("/proc"), root: Path = Path("/sys/fs/cgroup")) -> Cgroup | None:
    """The cgroup that bounds our memory most tightly, from ours up to the root; None if none does.

    Inside a container the path in /proc/self/cgroup may be the host's: then the mounted root is
    ours.
    """
    unified, memory = None, None
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            memory = path
        elif controllers == "":
            unified = path
    candidates: list[Cgroup] = []
    if memory is not None:
        candidates += [Cgroup(folder, 1, proc) for folder in _up(root / "memory", memory)]
    elif unified is not None:
        candidates += [Cgroup(folder, 2, proc) for folder in _up(root, unified)]
    bounded = [(limit, cgroup) for cgroup in candidates if (limit := cgroup.limit_bytes())]
    return min(bounded, key=lambda pair: pair[0])[1] if bounded else None


class MemoryReader:
    """Reads the endpoint's memory.

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
        self._cgroup = find_cgroup(proc, root)

    def read(self) -> MemoryReading:
        """Look now."""
        machine = _stat(self._proc / "meminfo", scale=KIB)
        limit = machine["MemTotal"]
        used = machine["MemTotal"] - machine["MemAvailable"]
        if self._cgroup is not None:
            limit = min(limit, self._cgroup.limit_bytes() or limit)
            used = self._cgroup.used_bytes() or used
        if self._own_limit_bytes is not None and self._own_limit_bytes < limit:
            limit = self._own_limit_bytes
            if self._cgroup is None and self._our_use is not None:
                used = self._our_use()
        return MemoryReading(limit, used)


def anonymous_bytes(pid: int, proc: Path = Path("/proc")) -> int:
    """What a process holds that is in no file, shared with its forks or not; 0 if it has ended."""
    return _stat(proc / str(pid) / "status", scale=KIB).get("RssAnon", 0)


def own_bytes(pid: int, proc: Path = Path("/proc")) -> int:
    """What would be free if process `pid` ended: its private pages and its page tables.

    0 if it has ended.
    """
    rollup = _stat(proc / str(pid) / "smaps_rollup", scale=KIB)
    status = _stat(proc / str(pid) / "status", scale=KIB)
    return rollup.get("Private_Clean", 0) + rollup.get("Private_Dirty", 0) + status.get("VmPTE", 0)


def _up(root: Path, path: str) -> list[Path]:
    """The folders of a cgroup and its parents below `root`, those that exist."""
    here = root / path.strip("/")
    folders = [here, *here.parents] if here.is_dir() else [root]
    return [folder for folder in folders if folder.is_relative_to(root) and folder.is_dir()]


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text("ascii", "replace").strip()
    return ""


def _stat(path: Path, scale: int = 1) -> dict[str, int]:
    """The `name number` or `name: number kB` lines of a file."""
    found: dict[str, int] = {}
    for line in _text(path).splitlines():
        name, _, rest = line.partition(" ") if ":" not in line else line.partition(":")
        number = rest.split()[:1]
        if number and number[0].isdigit():
            found[name] = int(number[0]) * scale
    return found
