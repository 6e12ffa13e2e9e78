"""The processes of a running endpoint, found by the run folder they are given."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mme.app.run_dir import SCRIPTS
from tests.support.endpoint import processes_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.support.endpoint import Endpoint

TIMEOUT_S = 30
POLL_S = 0.005
COMPUTES_S = 0.1


def run_dir(endpoint: Endpoint) -> Path:
    found = endpoint.run_dir_parent.glob("mme-*")
    return next(each for each in found if not each.name.endswith(SCRIPTS))


def pids_of(endpoint: Endpoint, words: str) -> list[int]:
    lines = processes_with(str(run_dir(endpoint)))
    return [int(pid) for pid, command in (x.split(": ", 1) for x in lines) if words in command]


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def template_and_workers(endpoint: Endpoint) -> tuple[int, list[int]]:
    """The template and its forks, those that admit an artifact aside."""
    everyone = pids_of(endpoint, "mme.prefork")
    template = next(
        pid for pid in everyone if parent(pid) == endpoint.process.pid and _leads_session(pid)
    )
    return template, [pid for pid in everyone if pid != template and not _leads_session(pid)]


def workers(endpoint: Endpoint) -> list[int]:
    """The worker processes."""
    return template_and_workers(endpoint)[1]


def _leads_session(pid: int) -> bool:
    """Whether a process has a session of its own, as an admission has."""
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def cpu_s(pid: int) -> float:
    """The processor time of a process; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def computing(since: Mapping[int, float]) -> list[int]:
    """Which of these processes compute a request, given their processor time before it came.

    To read one takes milliseconds; what has taken longer has read it.
    """
    return [pid for pid, before_s in since.items() if cpu_s(pid) - before_s >= COMPUTES_S]


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
