"""The prefork server: one thread that has everything imported, forks on request, and reaps.

It reads requests from a FIFO, so that launchers block while there is none of it; it holds no
connection, no event loop and no artifact. Its end is no worker's end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
from typing import TYPE_CHECKING

from mme.prefork.launcher import SEPARATOR
from mme.prefork.worker import WorkerRequest, parse_request, remove_streams_of, run_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

READ_BYTES = 65536


class ThreadsBeforeForkError(RuntimeError):
    """Something started a thread in the prefork server: forks of it could deadlock."""


class PreforkServer:
    """Forks a worker for each line in the FIFO `requests` until told to stop.

    In the folder `signs`, which comes and goes with the front end, it leaves `NAME.forked`, with
    the worker's process id, for each model.
    """

    def __init__(self, requests: Path, signs: Path) -> None:
        self._requests_path = requests
        self._signs = signs
        self._workers: dict[int, WorkerRequest] = {}
        self._stopping = False
        self._rest = b""

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until SIGTERM. `on_ready` is called once requests are read."""
        # Opened for reading and writing: so it never ends while launchers come and go.
        requests = os.open(self._requests_path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop, which reaps
        signal.signal(signal.SIGTERM, self._note_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our owner
        inherited = (requests, wake_read, wake_write)
        on_ready()
        poll = select.poll()
        poll.register(requests, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        while not self._stopping:
            for descriptor, _ in poll.poll():
                if descriptor == wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, READ_BYTES)
                    self._reap()
                else:
                    for request in self._read(requests):
                        self._fork(request, inherited)

    def _note_stop(self, *_: object) -> None:
        self._stopping = True

    def _read(self, requests: int) -> list[WorkerRequest]:
        try:
            text = self._rest + os.read(requests, READ_BYTES)
        except BlockingIOError:
            return []
        *lines, self._rest = text.split(b"\n")
        found = []
        for line in lines:
            try:
                found.append(parse_request(os.fsdecode(line), SEPARATOR))
            except (ValueError, KeyError) as error:
                log.error("not a worker's request: %r (%s)", line, error)  # noqa: TRY400
        return found

    def _fork(self, request: WorkerRequest, inherited: tuple[int, ...]) -> None:
        if (threads := thread_count()) != 1:
            raise ThreadsBeforeForkError(f"{threads} threads, one is allowed")
        try:
            pid = os.fork()
        except OSError as error:
            log.error("cannot fork a worker: %s", error)  # noqa: TRY400
            with contextlib.suppress(ProcessLookupError):
                os.kill(request.launcher, signal.SIGKILL)
            return
        if pid == 0:
            run_child(request, inherited)
        self._workers[pid] = request
        # Whoever ordered the model can tell from this that there is somebody to wait for.
        with contextlib.suppress(OSError):
            self._sign_of(request).write_text(str(pid), encoding="ascii")

    def _sign_of(self, request: WorkerRequest) -> Path:
        return self._signs / f"{request.model_name}.forked"

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._clean_after(pid, status)

    def _clean_after(self, pid: int, status: int) -> None:
        request = self._workers.pop(pid, None)
        if request is None:
            return
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, -signal.SIGKILL):
            log.warning("the worker of %s (pid %d) ended with %d", request.model_name, pid, code)
        # The last one is there only if the worker died early.
        signs = (self._sign_of(request), self._sign_of(request).with_suffix(".connected"))
        for path in (request.lifeline, request.sock_name, *signs):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108
        with contextlib.suppress(OSError):
            remove_streams_of(pid, request.tmp_dir)


def thread_count() -> int:
    """How many threads this process has, libraries' own included."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208
