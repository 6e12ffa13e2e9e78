"""A filter of system calls: those a worker never makes fail, so that nobody makes them in its name.

A list of what is refused, not of what is allowed: libraries differ in what they call, and what is
refused here is what leads out of a process - other programs, networks, other processes, the kernel
itself. Two architectures have numbers here; on others there is no filter.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import platform
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PR_GET_SECCOMP, PR_SET_SECCOMP = 21, 22
MODE_FILTER = 2
LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
ALLOW, ERROR = 0x7FFF0000, 0x00050000
X32_NUMBERS = 0x40000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NUMBERS: Mapping[str, tuple[int, int | None]] = {
    # name: x86_64, aarch64
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "execve": (59, 221), "execveat": (322, 281),
    "fork": (57, None), "vfork": (58, None),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438), "kcmp": (312, 272),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "setpriority": (141, 140), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "ioprio_set": (251, 30),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97), "setns": (308, 268),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "personality": (135, 92), "quotactl": (179, 60), "acct": (163, 89),
}  # fmt: skip
"""None: this architecture has it not, and does the same by another call."""
ALL = frozenset(NUMBERS)
FOR_ADMISSIONS = ALL - {"kill", "tgkill", "fork", "vfork"}
"""They fork, and must be able to end as the fork has; Landlock keeps their signals from others."""
CLONE, CLONE3, PRLIMIT = (56, 220), (435, 435), (302, 261)
NEW_NAMESPACES = 0x7E020080
"""The flags CLONE_NEW*."""
NEW_THREAD = 0x00010000
"""The flag CLONE_THREAD: without it a new process is made."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def is_there() -> bool:
    """Whether the kernel has it and this architecture has numbers here."""
    return platform.machine() in ARCHITECTURES and _LIBC.prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


def refuse(names: frozenset[str]) -> bool:
    """Let these system calls fail with EPERM from now on; False: there is no filter here.

    The process must have no new privileges set.
    """
    if not is_there():
        return False
    code = prepare(names)
    made = _Program(len(code) // 8, code)
    return bool(_LIBC.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(made), 0, 0) == 0)


@functools.cache
def prepare(names: frozenset[str]) -> bytes:
    """The filter for this machine, made once."""
    return program(names, platform.machine()) if platform.machine() in ARCHITECTURES else b""


def program(names: frozenset[str], machine: str) -> bytes:
    """The filter in the kernel's form, classic BPF: eight bytes an instruction."""
    column = list(ARCHITECTURES).index(machine)
    numbers = sorted(number for name in names if (number := NUMBERS[name][column]) is not None)
    to_forks = "refuse" if "fork" in names else "allow"
    tests = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_IF_EQUAL, 0, "refuse", ARCHITECTURES[machine]),
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_IF_AT_LEAST, "refuse", 0, X32_NUMBERS),
        *((JUMP_IF_EQUAL, "refuse", 0, number) for number in numbers),
        # Whose arguments cannot be looked at: libraries try the older call then.
        (JUMP_IF_EQUAL, 0, 1, CLONE3[column]),
        (RETURN, 0, 0, ERROR | errno.ENOSYS),
        # Threads, and forks for some, but no namespaces.
        (JUMP_IF_EQUAL, 0, 3, CLONE[column]),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (JUMP_IF_ANY_BIT, "refuse", 0, NEW_NAMESPACES),
        (JUMP_IF_ANY_BIT, "allow", to_forks, NEW_THREAD),
        # Limits of this process alone.
        (JUMP_IF_EQUAL, 0, "allow", PRLIMIT[column]),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (JUMP_IF_EQUAL, "allow", "refuse", 0),
    ]
    ends = {"allow": len(tests), "refuse": len(tests) + 1}
    lines = [
        (code, *(ends[to] - place - 1 if isinstance(to, str) else to for to in (yes, no)), value)
        for place, (code, yes, no, value) in enumerate(tests)
    ]
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERROR | errno.EPERM)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
