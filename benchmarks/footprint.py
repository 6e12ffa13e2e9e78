"""What processes own: anonymous memory, each page shared out among those that have it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MIB = 1024 * 1024
KIB = 1024


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it may end while we look
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def anonymous_bytes(pid: int) -> int:
    """Anonymous and shared memory of a process and its descendants, without files (Pss)."""
    return sum(_anonymous_bytes(each) for each in (pid, *descendants(pid)))


def cpu_s(pid: int) -> float:
    """Processor time a process has taken; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tasks(pid: int) -> int:
    """Processes and threads."""
    return sum(len(list(Path(f"/proc/{each}/task").iterdir())) for each in (pid, *descendants(pid)))


def _anonymous_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(
        int(line.split()[1]) * KIB for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))
    )


def own_bytes(pid: int) -> int:
    """The process's private pages, those of files too (USS)."""
    return sum(
        int(line.split()[1]) * KIB
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith(("Private_Clean:", "Private_Dirty:"))
    )


def command(pid: int) -> str:
    """Its command line."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
