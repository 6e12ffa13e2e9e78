"""What one process takes of the machine's memory, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path

from mme.memory.kernel_files import KIB, numbers
from mme.memory.prediction import WORKER_BYTES


def anonymous_bytes(pid: int, proc: Path = Path("/proc")) -> int:
    """What a process holds that is in no file, shared with its forks or not; 0 if it has ended."""
    return numbers(proc / str(pid) / "status", scale=KIB).get("RssAnon", 0)


def own_bytes(pid: int, born_bytes: int = 0, proc: Path = Path("/proc")) -> int:
    """What would be free if process `pid` ended: its private pages and its page tables.

    Of a process that may not be looked into it is estimated: what it has taken since it had
    `born_bytes` of anonymous memory, and what a fork takes for itself. 0 if it has ended.
    """
    rollup = numbers(proc / str(pid) / "smaps_rollup", scale=KIB)
    status = numbers(proc / str(pid) / "status", scale=KIB)
    private = rollup.get("Private_Clean", 0) + rollup.get("Private_Dirty", 0)
    if not rollup and "RssAnon" in status:
        private = WORKER_BYTES + max(0, status["RssAnon"] - born_bytes)
    return private + status.get("VmPTE", 0)
