"""A server's process: started in a session of its own, waited for, ended with all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

START_TIMEOUT_S, STOP_TIMEOUT_S, POLL_S = 60.0, 6.0, 0.05
LOG_TAIL_CHARS = 500


@contextlib.contextmanager
def running(
    command: Sequence[object],
    folder: Path,
    environment: Mapping[str, str],
    is_up: Callable[[], bool],
) -> Iterator[int]:
    """Run it with its log in `folder`, and wait until it is up; the process id."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(process, is_up, log)
        yield process.pid
    finally:
        _stop(process)


def answers(url: str) -> bool:
    """Whether a GET is answered by 200."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _wait(process: subprocess.Popen[bytes], is_up: Callable[[], bool], log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline_s:
            said = log.read_text(errors="replace").strip()[-LOG_TAIL_CHARS:]
            raise RuntimeError(f"{process.args!r} does not come up: {said}")
        time.sleep(POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
