"""The processes of a running endpoint, found by the run folder they are given."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.endpoint import processes_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.support.endpoint import Endpoint

TIMEOUT_S = 30
POLL_S = 0.005


def run_dir(endpoint: Endpoint) -> Path:
    return next(endpoint.run_dir_parent.glob("mme-*"))


def pids_of(endpoint: Endpoint, words: str) -> list[int]:
    lines = processes_with(str(run_dir(endpoint)))
    return [int(pid) for pid, command in (x.split(": ", 1) for x in lines) if words in command]


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def server_and_workers(endpoint: Endpoint) -> tuple[int, list[int]]:
    """The prefork server and its forks."""
    everyone = pids_of(endpoint, "mme.prefork")
    server = next(pid for pid in everyone if parent(pid) == endpoint.process.pid)
    return server, [pid for pid in everyone if pid != server]


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected by somebody does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline_s:
            pytest.fail(f"waited {timeout_s:g} s for {what}")
        time.sleep(POLL_S)


def wait_until_gone(pids: Iterable[int]) -> None:
    known = list(pids)
    wait_until(lambda: not any(map(is_running, known)), f"the end of {known}")
