"""What a fork of the prefork server becomes: the worker of one model. It all runs in the child.

Speaks the model server's worker protocol with the message code, `Service` and `Context` of the
package `mms` as they are. Differs from its `model_service_worker` in three ways: it serves the one
connection the front end makes itself instead of forking again, its output stays on the launcher's
pipes (which the front end reads anyway) instead of moving to FIFOs with two more threads, and it
ends with its launcher.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import random
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from mms.model_loader import ModelLoaderFactory
from mms.protocol.otf_message_handler import create_load_model_response, retrieve_msg

from mme.prefork.launcher import STDIN_COPY
from mme.prefork.links import die_when_closed, open_lifeline, outlive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOAD, PREDICT = b"L", b"I"
NO_ROOM, OK = 507, 200
OOM_SCORE = 500
STREAM_ENDINGS = ("-stdout", "-stderr")
_LIBC = ctypes.CDLL(None, use_errno=True)


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


def become_worker(request: WorkerRequest) -> None:
    """Turn this fresh fork into the worker of `request` and serve until the connection ends."""
    lifeline = open_lifeline(request.lifeline, request.launcher)
    die_when_closed(lifeline)
    _take_over(request.launcher)
    die_when_closed(0)
    os.unlink(request.lifeline)  # noqa: PTH108 - fewer pages written than with a Path
    _be_expendable()
    # A load refused for want of room: the front end forgets the model's name only if the launcher
    # is gone when it hears of it (the thread that would wait for it is the one it interrupts).
    serve_connection(
        request, lambda: None, on_refusal=lambda: outlive(request.launcher, (lifeline, 0))
    )


def serve_connection(
    request: WorkerRequest,
    on_listening: Callable[[], None],
    on_refusal: Callable[[], None] = lambda: None,
) -> None:
    """Wait for the front end, and answer it until it hangs up.

    `on_listening` is called when it can come, `on_refusal` before it is told that a load failed.
    """
    random.seed()
    # The global generator is what libraries draw from. A number of our own: numpy's way to get one
    # writes a quarter of a MiB.
    np.random.seed(int.from_bytes(os.urandom(4)))  # noqa: NPY002
    with _listening(request.sock_name) as listener:
        _say(f"[PID] {os.getpid()}")
        _say("MMS worker started.")
        on_listening()
        connection, _ = listener.accept()
    os.unlink(request.sock_name)  # noqa: PTH108
    _report_connected(request.model_name)
    gc.enable()
    with connection:
        _serve(connection, request, on_refusal)


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


def _be_expendable() -> None:
    """If the kernel must kill something, let it be one model and not the endpoint."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write(str(OOM_SCORE))


def _report_connected(name: str) -> None:
    """Leave word, for whoever ordered the model, that the front end has what it waited for."""
    folder = os.environ.get("MME_LOAD_REPORTS")
    if folder:
        with contextlib.suppress(OSError):
            os.close(os.open(f"{folder}/{name}.connected", os.O_CREAT | os.O_WRONLY, 0o600))


def _listening(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108
    listener.bind(path)
    listener.listen(1)
    return listener


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def _serve(
    connection: socket.socket, request: WorkerRequest, on_refusal: Callable[[], None]
) -> None:
    """Answer messages until the front end hangs up, which is how a worker's life ends."""
    service: Any = None
    streams: list[str] = []
    while True:
        try:
            command, message = retrieve_msg(connection)
        except ValueError:
            return  # the front end is gone, or lets this model go
        if command == LOAD:
            streams = _quiet_streams(message, request.tmp_dir)
            service, code, text = _load(message)
            with contextlib.suppress(OSError):  # only root may; others stay as they are
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
                os.setpriority(os.PRIO_PROCESS, 0, 0)
            if code != OK:
                on_refusal()
            connection.sendall(create_load_model_response(code, text))
            if code != OK:
                return
        elif command == PREDICT:
            while streams:  # the front end has opened them by now
                with contextlib.suppress(OSError):
                    os.unlink(streams.pop())  # noqa: PTH108
            connection.sendall(service.predict(message))


def _load(message: dict[str, Any]) -> tuple[Any, int, str]:
    model_dir = message["modelPath"].decode()
    name = message["modelName"].decode()
    try:
        loader = ModelLoaderFactory.get_model_loader(model_dir)
        service = loader.load(
            name, model_dir, message["handler"].decode(), None, int(message.get("batchSize", 1))
        )
    except MemoryError:
        return None, NO_ROOM, "System out of memory"
    return service, OK, f"loaded model {name}. [PID]:{os.getpid()}"


def _quiet_streams(message: dict[str, Any], tmp_dir: str) -> list[str]:
    """Give the front end two empty files where it looks for the worker's output.

    It opens `CHANNEL-stdout` and `-stderr` when the model is loaded and reads each in a thread of
    its own; at the end of an empty file that thread ends, at a FIFO's it would stay.
    """
    channel = message.get("ioFileDescriptor")
    if channel is None:
        return []
    paths = [f"{tmp_dir}/{channel.decode()}{ending}" for ending in STREAM_ENDINGS]
    for path in paths:
        with contextlib.suppress(FileExistsError):
            # A detour that names us, so that a link left behind can be told from one in use.
            os.symlink(f"/proc/{os.getpid()}/../../dev/null", path)  # noqa: PTH211
    return paths


def remove_streams_of(pid: int, tmp_dir: str) -> None:
    """Remove what `_quiet_streams` of a dead worker left behind, if it had no time to."""
    for name in os.listdir(tmp_dir):  # noqa: PTH208
        path = f"{tmp_dir}/{name}"
        if name.endswith(STREAM_ENDINGS):
            with contextlib.suppress(OSError):
                if os.readlink(path).startswith(f"/proc/{pid}/"):  # noqa: PTH115
                    os.unlink(path)  # noqa: PTH108


def run_child(request: WorkerRequest, inherited: Sequence[int]) -> None:
    """The fork's main: never returns. Closes `inherited`, which belong to the prefork server."""
    code = 1
    try:
        for descriptor in inherited:
            os.close(descriptor)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)
        become_worker(request)
        code = 0
    except BaseException:
        logging.getLogger(__name__).exception("worker of %s ended", request.model_name)
        sys.stdout.flush()
    finally:
        os._exit(code)
