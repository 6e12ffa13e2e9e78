"""The admissions the template has under way: a connection and a fork each.

The template says nothing about the artifact and reads nothing that came from it: it forks when
somebody connects, kills the fork when that one hangs up, and says at the end how the fork ended:
{"exit": code}, negative for a signal, or {"exit": null, "reason": ...} if there was none.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.prefork.admission import admit_for
from mme.prefork.doorway import listening
from mme.prefork.worker import leave_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

MOST = 64
"""Admissions side by side; others wait in the socket's queue."""
BACKLOG = 256


@dataclass(slots=True)
class _Admission:
    connection: socket.socket
    pid: int | None
    last_words: bytes = b""


class Admissions:
    """Owned by the template's loop, whose `poll` it shares."""

    def __init__(self, path: str, poll: select.poll) -> None:
        # It takes the place of an earlier template's at once: whoever connects finds one of them.
        self._listener = listening(f"{path}.{os.getpid()}")
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        os.replace(f"{path}.{os.getpid()}", path)  # noqa: PTH105 - a socket, not a file
        self._poll = poll
        self._by_descriptor: dict[int, _Admission] = {}
        self._poll.register(self._listener, select.POLLIN)

    def close(self) -> None:
        """Close every descriptor; forks under way end with this process."""
        self._listener.close()
        for admission in self._by_descriptor.values():
            admission.connection.close()

    def descriptors(self) -> Iterator[int]:
        """Those a fork must close: all."""
        yield self._listener.fileno()
        yield from self._by_descriptor

    def owns(self, descriptor: int) -> bool:
        """Whether an event of this descriptor is for `handle`."""
        return descriptor == self._listener.fileno() or descriptor in self._by_descriptor

    def handle(self, descriptor: int, fork: Callable[[], int], others: tuple[int, ...]) -> None:
        """Act on an event; `fork` as `os.fork`, `others` are the template's own descriptors."""
        admission = self._by_descriptor.get(descriptor)
        if admission is None:
            self._accept(fork, others)
        elif admission.pid is not None:
            self._kill(admission.pid)  # it hung up; the rest is done when the fork is reaped
            self._poll.unregister(descriptor)
        else:
            with contextlib.suppress(OSError):
                admission.connection.send(admission.last_words, socket.MSG_DONTWAIT)
            self._forget(descriptor)

    def reaped(self, pid: int, code: int) -> bool:
        """Say how a fork ended; False if it is none of these."""
        for descriptor, admission in self._by_descriptor.items():
            if admission.pid == pid:
                admission.pid = None
                with contextlib.suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)  # what it may have left running
                self._say_last(descriptor, admission, {"exit": code})
                return True
        return False

    def _accept(self, fork: Callable[[], int], others: tuple[int, ...]) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                log.warning("cannot accept an admission: %s", error)
            return
        connection.setblocking(True)
        template = os.getpid()
        try:
            pid = fork()
        except OSError as error:
            log.error("cannot fork an admission: %s", error)  # noqa: TRY400
            admission = _Admission(connection, None)
            self._by_descriptor[connection.fileno()] = admission
            self._say_last(connection.fileno(), admission, {"exit": None, "reason": str(error)})
            return
        if pid == 0:
            try:
                leave_template((*self.descriptors(), *others))
            except BaseException:  # noqa: BLE001 - nothing of the template may run on
                os._exit(1)
            admit_for(connection, template)
        self._by_descriptor[connection.fileno()] = _Admission(connection, pid)
        # Nothing is read from it: only its end is of interest.
        self._poll.register(connection, select.POLLRDHUP)
        if len(self._by_descriptor) >= MOST:
            self._poll.modify(self._listener, 0)

    def _say_last(self, descriptor: int, admission: _Admission, words: object) -> None:
        # Begins a line of its own, whatever the fork left unfinished.
        admission.last_words = b"\n" + json.dumps(words).encode() + b"\n"
        self._poll.register(descriptor, select.POLLOUT)

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._by_descriptor.pop(descriptor).connection.close()
        self._poll.modify(self._listener, select.POLLIN)

    def _kill(self, pid: int) -> None:
        # Its session, once it has one; itself, if it has none yet.
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
