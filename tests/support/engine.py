"""Containers of the image under test, through whichever engine is there: docker or podman."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

IMAGE = os.environ.get("MME_IMAGE", "mme")
START_TIMEOUT_S = 90
PUBLIC_PORT = 8080
FORKED = "mme.prefork"
"""In the command lines of the template and of all its forks."""

# A line for each process: pid, parent, session, state, command line.
LIST_PROCESSES = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        stat = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        words = open(f"/proc/{pid}/cmdline").read().replace(chr(0), " ")
    except OSError:
        continue
    if int(pid) != os.getpid():
        print(pid, stat[1], stat[3], stat[0], words, sep="\\t")
"""
COUNT_KILLS = """
for name in ("memory/memory.oom_control", "memory.events"):
    try:
        lines = open("/sys/fs/cgroup/" + name).read().splitlines()
    except OSError:
        continue
    print(sum(int(line.split()[1]) for line in lines if line.split()[0] == "oom_kill"))
    break
"""
LIST_PORTS = """
ports = set()
for name in ("tcp", "tcp6"):
    try:
        lines = open(f"/proc/net/{name}").read().splitlines()[1:]
    except OSError:
        continue
    rows = [line.split() for line in lines]
    ports |= {int(row[1].rsplit(":", 1)[1], 16) for row in rows if row[3] == "0A"}
print(*sorted(ports))
"""


@functools.cache
def engine() -> str:
    """The engine's command: what `MME_ENGINE` says, docker if it answers, else podman."""
    if named := os.environ.get("MME_ENGINE"):
        return named
    if shutil.which("docker"):
        answer = subprocess.run(["docker", "info"], capture_output=True, timeout=60, check=False)
        if answer.returncode == 0:
            return "docker"
    return "podman"


def run(*arguments: str, timeout_s: float = 120) -> str:
    """Run one command of the engine and return what it printed."""
    ended = subprocess.run(
        [engine(), *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert ended.returncode == 0, f"{arguments}: {ended.stderr}"
    return ended.stdout.strip()


@dataclass(frozen=True)
class Process:
    """One process in a container."""

    pid: int
    parent: int
    session: int
    state: str
    command: str

    @property
    def leads(self) -> bool:
        """Whether it has a session of its own."""
        return self.session == self.pid


@dataclass
class Container:
    """A container of the image, running or ended."""

    id: str
    port: int = PUBLIC_PORT

    @functools.cached_property
    def url(self) -> str:
        """Where its public port is published."""
        return f"http://{run('port', self.id, str(self.port)).splitlines()[0]}"

    @property
    def log(self) -> str:
        ended = subprocess.run(
            [engine(), "logs", self.id], capture_output=True, text=True, timeout=60, check=False
        )
        return ended.stdout + ended.stderr

    @property
    def last_line(self) -> str:
        """The last line of what it said on stderr."""
        ended = subprocess.run(
            [engine(), "logs", self.id], capture_output=True, text=True, timeout=60, check=False
        )
        return (ended.stderr.strip().splitlines() or [""])[-1]

    def inspect(self, template: str) -> str:
        return run("inspect", "--format", template, self.id)

    @property
    def is_running(self) -> bool:
        return self.inspect("{{.State.Running}}") == "true"

    def python(self, source: str) -> str:
        """Run a piece of Python inside and return what it printed."""
        return run("exec", self.id, "python3", "-c", source)

    def processes(self, words: str = "") -> list[Process]:
        """The processes inside whose command line holds `words`."""
        rows = [line.split("\t") for line in self.python(LIST_PROCESSES).splitlines()]
        found = [
            Process(int(pid), int(parent), int(session), state, command)
            for pid, parent, session, state, command in rows
        ]
        return [process for process in found if words in process.command]

    def template(self) -> Process:
        """The process that workers and admissions are forks of."""
        return next(each for each in self.processes(FORKED) if each.parent == 1 and each.leads)

    def workers(self) -> list[Process]:
        """Those that models answer in: forks of a template, which may be dead by now.

        An admission has a session of its own; what it forks is no worker either.
        """
        everyone = self.processes(FORKED)
        parents = {1} | {each.pid for each in everyone if each.parent == 1}
        return [each for each in everyone if not each.leads and each.parent in parents]

    def worker_pids(self) -> list[int]:
        return sorted(each.pid for each in self.workers())

    def kill_inside(self, *pids: int) -> None:
        self.python(f"import os; [os.kill(pid, 9) for pid in {pids}]")

    def wait_for_log(self, text: str, timeout_s: float = 30) -> None:
        """Until it has said this."""
        deadline_s = time.monotonic() + timeout_s
        while text not in self.log:
            assert time.monotonic() < deadline_s, f"{text!r} is not in\n{self.log}"

    def listening_ports(self) -> list[int]:
        return [int(port) for port in self.python(LIST_PORTS).split()]

    def memory_kills(self) -> int:
        """Processes the kernel killed in it for want of memory."""
        return int(self.python(COUNT_KILLS) or 0)

    def signal(self, name: str) -> None:
        run("kill", "--signal", name, self.id)

    def wait(self, timeout_s: float = 60) -> int:
        """Wait for its end and return the exit code."""
        return int(run("wait", self.id, timeout_s=timeout_s))

    def stop(self) -> int:
        """SIGTERM, SIGKILL 30 s later, as the platform does; returns the exit code."""
        run("stop", "--time", "30", self.id)
        return int(self.inspect("{{.State.ExitCode}}"))

    def wait_until(self, path: str, status: int = 200, timeout_s: float = START_TIMEOUT_S) -> float:
        """Poll `path` until it answers `status`; returns how long that took."""
        began_s = time.monotonic()
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(self.url + path, timeout=5).status_code == status:
                    return time.monotonic() - began_s
            assert self.is_running, f"the container ended:\n{self.log}"
            assert time.monotonic() - began_s < timeout_s, f"{path} in vain:\n{self.log}"


@contextlib.contextmanager
def container(
    *options: str,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = ("serve",),
    port: int = PUBLIC_PORT,
    publish: bool = True,
    image: str = IMAGE,
) -> Iterator[Container]:
    """A container that is removed at the end; its health is asked by the tests alone."""
    variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
    published = [f"--publish=127.0.0.1::{port}"] if publish else []
    identity = run(
        "run", "--detach", "--no-healthcheck", *published, *variables, *options, image, *command
    )
    started = Container(identity.splitlines()[-1], port)
    try:
        yield started
    finally:
        run("rm", "--force", "--volumes", started.id)


@contextlib.contextmanager
def volume() -> Iterator[str]:
    """A named volume, removed at the end."""
    name = run("volume", "create")
    try:
        yield name
    finally:
        run("volume", "rm", "--force", name)


def image_labels() -> dict[str, str]:
    found: dict[str, str] = json.loads(
        run("image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE)
    )
    return found
