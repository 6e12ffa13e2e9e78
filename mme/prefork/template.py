"""The template: one thread that has everything imported, forks on request, and reaps.

Launchers ask for workers by lines in a FIFO, where they wait while there is no template; the
gateway asks for admissions at a socket. The template holds no event loop and no artifact, and
reads nothing that comes from one. Its end is no worker's end, but every admission's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.prefork import temporary
from mme.prefork.admissions import Admissions
from mme.prefork.confinement import Confinement
from mme.prefork.launcher import SEPARATOR
from mme.prefork.streams import remove_streams_of
from mme.prefork.worker import WorkerRequest, leave_template, parse_request, run_child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

READ_BYTES = 65536


class ThreadsBeforeForkError(RuntimeError):
    """Something started a thread in the template: forks of it could deadlock."""


@dataclass(frozen=True, slots=True)
class TemplatePaths:
    """Where the template is asked, and what it cleans up after workers."""

    requests: Path
    """FIFO of launchers' requests."""
    signs: Path
    """Folder, which comes and goes with the front end, for `NAME.forked`: the worker's pid."""
    doors: Path | None = None
    """Folder of the workers' doors."""
    admissions: Path | None = None
    """Socket for admissions."""


class Template:
    """Forks a worker for each line in the FIFO, and an admission for each connection."""

    def __init__(self, paths: TemplatePaths, generation: int = 0) -> None:
        self._paths = paths
        self._generation = generation
        self._workers: dict[int, WorkerRequest] = {}
        self._admissions: Admissions | None = None
        self._own: tuple[int, ...] = ()
        self._stopping = False
        self._rest = b""
        confinement = Confinement.of(os.environ)
        self._temp_root = "" if confinement is None else confinement.temp_root

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until SIGTERM. `on_ready` is called once requests are read."""
        # Opened for reading and writing: so it never ends while launchers come and go.
        requests = os.open(self._paths.requests, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes the loop, which reaps
        signal.signal(signal.SIGTERM, self._note_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our owner
        self._own = (requests, wake_read, wake_write)
        poll = select.poll()
        poll.register(requests, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        if self._paths.admissions is not None:
            self._admissions = Admissions(str(self._paths.admissions), poll)
        on_ready()
        for pid in temporary.forsaken(self._temp_root) if self._temp_root else ():
            self._remove_temporary(pid)
        while not self._stopping:
            for descriptor, _ in poll.poll():
                if descriptor == wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_read, READ_BYTES)
                    self._reap()
                elif descriptor == requests:
                    for request in self._read(requests):
                        self._start(request)
                elif self._admissions is not None and self._admissions.owns(descriptor):
                    self._admissions.handle(descriptor, checked_fork, self._own)

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

    def _start(self, request: WorkerRequest) -> None:
        if not os.path.exists(f"/proc/{request.launcher}"):  # noqa: PTH110 - as workers ask it
            with contextlib.suppress(OSError):  # it waited for a template in vain
                os.unlink(request.lifeline)  # noqa: PTH108
            return
        try:
            pid = checked_fork()
        except OSError as error:
            log.error("cannot fork a worker: %s", error)  # noqa: TRY400
            with contextlib.suppress(ProcessLookupError):
                os.kill(request.launcher, signal.SIGKILL)
            return
        if pid == 0:
            run_child(request, self._generation, self._inherited())
        self._workers[pid] = request
        # Whoever ordered the worker can tell from this that there is somebody to wait for.
        with contextlib.suppress(OSError):
            self._sign_of(request).write_text(str(pid), encoding="ascii")

    def _sign_of(self, request: WorkerRequest) -> Path:
        return self._paths.signs / f"{request.model_name}.forked"

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, os.waitstatus_to_exitcode(status))

    def _ended(self, pid: int, code: int) -> None:
        if self._admissions is not None and self._admissions.reaped(pid, code):
            return
        request = self._workers.pop(pid, None)
        if request is None:
            return
        if code not in (0, -signal.SIGKILL):
            log.warning("the worker %s (pid %d) ended with %d", request.model_name, pid, code)
        self._clean_after(request)
        if self._temp_root:
            self._remove_temporary(pid)
        with contextlib.suppress(OSError):
            remove_streams_of(pid, request.tmp_dir)

    def _clean_after(self, request: WorkerRequest) -> None:
        """Remove what lies about of a worker, most of it only if it died early."""
        sign = self._sign_of(request)
        # The sign is there only while the worker is waited for: whatever waits can tell from this.
        with contextlib.suppress(OSError):
            sign.rename(sign.with_suffix(".ended"))
        paths: list[str | Path] = [
            request.lifeline,
            request.sock_name,
            sign.with_suffix(".connected"),
        ]
        if self._paths.doors is not None:
            paths.append(self._paths.doors / request.model_name)
        for path in paths:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108

    def _inherited(self) -> tuple[int, ...]:
        """The descriptors that no fork is to keep."""
        admissions = () if self._admissions is None else self._admissions.descriptors()
        return (*self._own, *admissions)

    def _remove_temporary(self, pid: int) -> None:
        """Remove the temporary folder of a worker that ended: in a fork, for it may be large."""
        if not temporary.is_left(self._temp_root, pid):
            return
        try:
            child = checked_fork()
        except OSError as error:
            log.warning("temporary files of the process %d stay for now: %s", pid, error)
            return
        if child == 0:
            try:
                leave_template(self._inherited())
                temporary.remove(self._temp_root, pid)
            finally:
                os._exit(0)


def checked_fork() -> int:
    """Fork this process, which must have one thread. Raises ThreadsBeforeForkError, OSError."""
    if (threads := thread_count()) != 1:
        raise ThreadsBeforeForkError(f"{threads} threads, one is allowed")
    return os.fork()


def thread_count() -> int:
    """How many threads this process has, libraries' own included."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208
