"""What processes own: pages nobody else has, and what the kernel's account of a cgroup says."""

from __future__ import annotations

from pathlib import Path

MIB = 1024 * 1024
KIB = 1024


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    found: list[int] = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def own_bytes(pid: int) -> int:
    """The process's private pages (USS)."""
    return sum(
        int(line.split()[1]) * KIB
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith(("Private_Clean:", "Private_Dirty:"))
    )


def command(pid: int) -> str:
    """Its command line."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
