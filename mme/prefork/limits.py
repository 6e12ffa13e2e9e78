"""Bounds on a process that reads what may be hostile: memory, processor time, file sizes, its life.

All of it is called in the process itself, which cannot take it back.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

KIB = 1024
PR_SET_PDEATHSIG = 1
GIVE_AWAY_SCORE = 900
"""What the kernel is to kill first where memory runs out."""
CPU_GRACE_S = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when `parent`, which forked it, ends."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def limit(memory_bytes: int, mapped_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Bound this process and its forks.

    It may take `memory_bytes` more than it has, and later, when `allow_mapped` says so, up to
    `mapped_bytes` for files it maps. At `cpu_s` seconds of processor time SIGXCPU ends it.
    """
    most = status_bytes("VmSize") + memory_bytes
    _lower(resource.RLIMIT_AS, most, most + mapped_bytes)
    _lower(resource.RLIMIT_CPU, cpu_s, cpu_s + CPU_GRACE_S)
    _lower(resource.RLIMIT_FSIZE, file_bytes, file_bytes)
    _lower(resource.RLIMIT_CORE, 0, 0)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write raises EFBIG
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(GIVE_AWAY_SCORE), encoding="ascii")


def allow_mapped(mapped_bytes: int) -> None:
    """Let this process map files of that size on top of the memory it may take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        _lower(resource.RLIMIT_AS, soft + mapped_bytes, hard)


def status_bytes(name: str) -> int:
    """One size from this process's status: VmSize, RssAnon."""
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - it is read while measuring
        for line in status:
            if line.startswith(name.encode() + b":"):
                return int(line.split()[1]) * KIB
    return 0


def anonymous_bytes() -> int:
    """This process's anonymous memory, counted page by page: the status file only estimates it."""
    with (
        contextlib.suppress(OSError),
        open("/proc/self/smaps_rollup", "rb") as rollup,  # noqa: PTH123 - as above
    ):
        for line in rollup:
            if line.startswith(b"Anonymous:"):
                return int(line.split()[1]) * KIB
    return status_bytes("RssAnon")


def _lower(kind: int, soft: int, hard: int) -> None:
    """Set a limit, but never above the one that is there."""
    _, present = resource.getrlimit(kind)
    if present != resource.RLIM_INFINITY:
        soft, hard = min(soft, present), min(hard, present)
    resource.setrlimit(kind, (soft, hard))
