"""What a process may still do once it reads what comes from outside: compute, and read some files.

All of it is asked of the kernel in the process itself, which cannot take it back: another user, no
capabilities, no new privileges, no look from or into other processes, Landlock's rules for files,
network and signals, a filter of system calls (`seccomp`). Each kernel has some of these; what it
has not is passed over, and `describe` says what holds here. Which process is confined, and when, is
for `worker` and `admission`.
"""

from __future__ import annotations

import ctypes
import functools
import json
import logging
import os
import resource
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mme.prefork import landlock, seccomp, temporary
from mme.prefork.limits import status_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

VARIABLE = "MME_CONFINEMENT"
"""The environment variable that carries a `Confinement` to workers and template."""
GRANTED = "MME_GRANTED_BYTES"
"""The variable a confined worker leaves its own bound of memory in, for its errors."""
TEMPORARY = "MME_OWN_TEMP_DIR"
"""The variable in which it leaves the one folder it may write to, if it has one."""
WORKER_USER = 65533
"""No account has this number: nobody else's files, and no files of its own."""
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_READ_SEARCH = 2
PROJECT = str(Path(__file__).resolve().parents[2])
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64")
SYSTEM_FILES = ("/dev/null", "/dev/zero", "/dev/urandom", "/etc/localtime", "/etc/ld.so.cache")
_LIBC = ctypes.CDLL(None, use_errno=True)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Confinement:
    """How workers are confined, as their environment says it."""

    user: int | None
    """The user they become; None: they stay who they are."""
    readable: tuple[str, ...]
    """Folders they may read besides the program itself."""
    pool_bytes: int
    """Memory a worker of the pool may take beyond what it has when it begins to serve."""
    own_bytes: int
    """The same for the worker of one model, which holds the model as well."""
    temp_root: str = ""
    """Where workers of code make temporary folders; "": they have none."""
    temp_bytes: int = 0
    """What they may keep there."""

    def to_text(self) -> str:
        """For the environment."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """What the environment says; None: nothing."""
        text = environment.get(VARIABLE)
        if not text:
            return None
        fields = json.loads(text)
        return cls(**{**fields, "readable": tuple(fields["readable"])})


def confine_worker(
    confinement: Confinement, memory_bytes: int, *, is_of_code: bool = False
) -> None:
    """Leave this process what a worker needs that has its sockets open: to read and to compute.

    One that will run code has a temporary folder of its own besides.
    """
    may_write = is_of_code and confinement.temp_root and confinement.temp_bytes
    limit_worker(memory_bytes, confinement.temp_bytes if may_write else 0)
    kept: tuple[int, ...] = ()
    if confinement.user is None:
        # Models that a platform unpacked may belong to anybody.
        kept = (CAP_DAC_READ_SEARCH,)
    else:
        become(confinement.user)
    drop_capabilities(kept)
    set_flags()
    own = temporary.make(confinement.temp_root) if may_write else None
    if own is not None:
        os.environ[TEMPORARY] = own
    write = () if own is None else (own,)
    _restrict(read=(*program_files(), *confinement.readable), write=write, names=seccomp.ALL)


def confine_admission(read: Iterable[str | Path], write: Iterable[str | Path]) -> None:
    """Leave this process and its forks what an admission needs: these files, and to compute."""
    drop_capabilities((CAP_DAC_READ_SEARCH,))
    set_flags()
    files = (*program_files(), *read, f"/proc/{os.getpid()}")
    _restrict(read=files, write=write, names=seccomp.FOR_ADMISSIONS)


def confine_to_artifact(model_dir: Path) -> None:
    """Leave this process, a confined worker, of all models' files those of one artifact.

    Its temporary folder stays. Nothing happens where workers are not confined.
    """
    if GRANTED in os.environ:
        own = os.environ.get(TEMPORARY)
        landlock.restrict((*program_files(), model_dir), () if own is None else (own,))


def _restrict(
    read: Iterable[str | Path], write: Iterable[str | Path], names: frozenset[str]
) -> None:
    """Restrict files and system calls; what the kernel has and does not do is logged."""
    if landlock.version() and not landlock.restrict(read, write):
        log.warning("Landlock is there, but does not restrict this process")
    if seccomp.is_there() and not seccomp.refuse(names):
        log.warning("seccomp is there, but does not filter this process's system calls")


def prepare() -> None:
    """Do beforehand, in a process that will be forked, what is the same for all its forks."""
    program_files()
    landlock.version()
    for names in (seccomp.ALL, seccomp.FOR_ADMISSIONS):
        seccomp.prepare(names)


@functools.cache
def program_files() -> tuple[str, ...]:
    """What this program reads as it runs: Python, the packages, its own code."""
    ours = {sys.prefix, sys.base_prefix, sys.exec_prefix, *(path for path in sys.path if path)}
    # Of the project only its code: a checkout holds more.
    ours -= {PROJECT, f"{PROJECT}/"}
    ours |= {f"{PROJECT}/mme", f"{PROJECT}/models"}
    found: list[str] = [path for path in SYSTEM_FILES if os.path.exists(path)]  # noqa: PTH110
    for path in sorted({*SYSTEM_FOLDERS, *ours}):
        # Those below another one are covered by it.
        if os.path.isdir(path) and not any(path.startswith(f"{each}/") for each in found):  # noqa: PTH112
            found.append(path)
    return tuple(found)


def limit_worker(memory_bytes: int, file_bytes: int = 0) -> None:
    """Let this process take so much memory beyond what it has, and leave no core.

    A file it writes may have `file_bytes`; none: it writes no file.

    Mapped files do not count: RLIMIT_DATA is about memory of its own (getrlimit(2)).
    """
    most = status_bytes("VmData") + memory_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def become(user: int) -> None:
    """Be another user, of no group but its own; logged where this process may not."""
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError as error:
        log.warning("a worker stays user %d: %s", os.geteuid(), error)


def drop_capabilities(kept_numbers: Sequence[int]) -> None:
    """Give up root's powers but these; harmless where there are none."""
    kept = sum(1 << number for number in kept_numbers)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    if _LIBC.capset(header, data) != 0:  # it has not those it shall keep
        _LIBC.capset(header, (ctypes.c_uint32 * 6)())


def set_flags() -> None:
    """Get no privileges by starting a program, and be looked into by no other process."""
    _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    be_private()


def be_private() -> None:
    """Let no process of the same user read this one's memory, environment or descriptors."""
    _LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def closed_to_others(path: Path) -> Path | None:
    """The first folder on the way to `path`, or itself, that other users may not go through."""
    end = path.resolve()
    for folder in (*reversed(end.parents), end):
        wanted = 0o005 if folder == end else 0o001
        try:
            is_open = folder.stat().st_mode & wanted == wanted
        except OSError:
            is_open = False
        if not is_open:
            return folder
    return None


def describe(user: int | None) -> str:
    """What holds for workers on this kernel, in words."""
    abi = landlock.version()
    parts = [
        "no capabilities, no new privileges",
        f"user {user}" if user is not None else "",
        f"Landlock {abi}" if abi else "no Landlock",
        "seccomp" if seccomp.is_there() else "no seccomp",
    ]
    return ", ".join(part for part in parts if part)
