"""How a fork of the template becomes a worker; it all runs in the child. Then `loop` takes over.

A worker differs from the model server's own (`mms.model_service_worker`) in three ways: it serves
the one connection the front end makes itself instead of forking again, its output stays on the
launcher's pipes (which the front end reads anyway) instead of moving to FIFOs with two more
threads, and it ends with its launcher.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import random
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mme.prefork import temporary
from mme.prefork.confinement import GRANTED, TEMPORARY, Confinement, confine_worker
from mme.prefork.doorway import listening
from mme.prefork.launcher import STDIN_COPY
from mme.prefork.links import die_when_closed, open_lifeline, outlive
from mme.prefork.loop import Hooks, Surroundings, WorkerLoop
from mme.prefork.output import OUTPUT
from models.registry import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OOM_SCORE = 500
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class WorkerRequest:
    """One launcher's request: who it is and the arguments the model server gave it."""

    launcher: int
    lifeline: str
    sock_name: str
    handler: str
    model_path: str
    model_name: str
    tmp_dir: str


def parse_request(line: str, separator: str) -> WorkerRequest:
    """Read a launcher's line; raises ValueError if it is not one."""
    launcher, lifeline, *arguments = line.split(separator)
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    if options.get("--sock-type") != "unix":
        raise ValueError(f"only unix sockets are served, not {options.get('--sock-type')!r}")
    return WorkerRequest(
        launcher=int(launcher),
        lifeline=lifeline,
        sock_name=options["--sock-name"],
        handler=options["--handler"],
        model_path=options["--model-path"],
        model_name=options["--model-name"],
        tmp_dir=options["--tmp-dir"],
    )


def become_worker(request: WorkerRequest, generation: int) -> None:
    """Turn this fresh fork into the worker of `request` and serve until the connection ends."""
    lifeline = open_lifeline(request.lifeline, request.launcher)
    die_when_closed(lifeline)
    _take_over(request.launcher)
    die_when_closed(0)
    os.unlink(request.lifeline)  # noqa: PTH108 - fewer pages written than with a Path
    be_expendable()
    # A load refused for want of room: the front end forgets the model's name only if the launcher
    # is gone when it hears of it (the thread that would wait for it is the one it interrupts).
    hooks = Hooks(
        on_visit=lambda: _confine(request, lifeline),
        on_serving=_be_quick,
        on_dropped=_give_back,
        on_refusal=lambda: outlive(request.launcher, (lifeline, 0)),
        is_spent=_is_spent,
    )
    serve(request, generation, hooks)


def serve(
    request: WorkerRequest,
    generation: int,
    hooks: Hooks,
    on_listening: Callable[[], None] = lambda: None,
) -> None:
    """Wait for the front end, and answer it until it hangs up.

    `on_listening` is called when it can come.
    """
    random.seed()
    # The global generator is what libraries draw from. A number of our own: numpy's way to get one
    # writes a quarter of a MiB.
    np.random.seed(int.from_bytes(os.urandom(4)))  # noqa: NPY002
    surroundings = Surroundings.read(os.environ)
    with listening(request.sock_name) as listener:
        _say(f"[PID] {os.getpid()}")
        _say("MMS worker started.")
        on_listening()
        connection, _ = listener.accept()
    os.unlink(request.sock_name)  # noqa: PTH108
    gc.enable()
    hooks = replace(
        hooks, on_load=lambda: _report_connected(surroundings.reports, request.model_name)
    )
    with connection:
        loop = WorkerLoop(
            connection, request.model_name, request.tmp_dir, generation,
            surroundings=surroundings, hooks=hooks,
        )  # fmt: skip
        try:
            loop.run()
        finally:
            loop.close()


def _take_over(launcher: int) -> None:
    """Make the launcher's standard streams, folder and environment ours."""
    reading = os.O_RDONLY | os.O_NONBLOCK
    for theirs, ours, flags in ((STDIN_COPY, 0, reading), (1, 1, os.O_WRONLY), (2, 2, os.O_WRONLY)):
        opened = os.open(f"/proc/{launcher}/fd/{theirs}", flags)
        os.dup2(opened, ours)
        os.close(opened)
    os.chdir(f"/proc/{launcher}/cwd")
    take_environment(launcher)


def take_environment(launcher: int) -> None:
    """Make the environment a process was started with ours."""
    with open(f"/proc/{launcher}/environ", "rb") as source:  # noqa: PTH123
        pairs = [entry.partition(b"=") for entry in source.read().split(b"\0") if entry]
    wanted = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def be_expendable() -> None:
    """If the kernel must kill something, let it be one model and not the endpoint."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write(str(OOM_SCORE))


def _be_quick() -> None:
    """Forks are born to load slowly; from now on this one answers."""
    with contextlib.suppress(OSError):  # only root may; others stay as they are
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def _confine(request: WorkerRequest, lifeline: int) -> None:
    """From now on this process only reads and computes; its ties to others stay."""
    confinement = Confinement.of(os.environ)
    if confinement is None:
        return
    is_of_pool = request.model_path == os.environ.get("MME_POOL_DIR")
    memory_bytes = confinement.pool_bytes if is_of_pool else confinement.own_bytes
    os.environ[GRANTED] = str(memory_bytes)
    # Another family's artifact may have such a file as well: a folder it does not use harms nobody.
    is_of_code = any(os.path.exists(f"{request.model_path}/{file}") for file in BY_CODE)  # noqa: PTH110
    confine_worker(confinement, memory_bytes, is_of_code=is_of_code)
    for descriptor in (lifeline, 0):
        die_when_closed(descriptor)  # the kernel signals for the user who asked, a former one now


def _is_spent() -> bool:
    """Whether the code in this worker keeps more files than it may."""
    own, confinement = os.environ.get(TEMPORARY), Confinement.of(os.environ)
    return (
        own is not None and confinement is not None
        and temporary.is_over(own, confinement.temp_bytes)
    )  # fmt: skip


def _give_back() -> None:
    """Return to the kernel what models that were dropped took."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # only glibc has it
        _LIBC.malloc_trim(0)


def _report_connected(folder: str, name: str) -> None:
    """Leave word, for whatever ordered the worker, that the front end has told it to load."""
    if folder:
        with contextlib.suppress(OSError):
            os.close(os.open(f"{folder}/{name}.connected", os.O_CREAT | os.O_WRONLY, 0o600))


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def leave_template(inherited: Sequence[int]) -> None:
    """In a fresh fork: close the template's descriptors and take signals as any process does."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in inherited:
        os.close(descriptor)


def run_child(request: WorkerRequest, generation: int, inherited: Sequence[int]) -> None:
    """The fork's main: never returns. Closes `inherited`, which belong to the template."""
    code = 1
    try:
        leave_template(inherited)
        os.setpgid(0, 0)
        become_worker(request, generation)
        code = 0
    except BaseException:
        logging.getLogger(__name__).exception("worker of %s ended", request.model_name)
        OUTPUT.end()
    finally:
        os._exit(code)
