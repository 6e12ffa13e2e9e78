"""Debian's HAProxy on the configuration of deploy/haproxy, with containers of a test behind it."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.support.endpoint import PROJECT, free_port
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFIGURATION = PROJECT / "deploy" / "haproxy" / "haproxy.cfg"
BACKEND = "containers"


@dataclass(frozen=True)
class Balancer:
    url: str
    figures_url: str
    admin: Path

    def say(self, command: str) -> str:
        """What its runtime interface answers to a command."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.admin))
            connection.sendall(command.encode() + b"\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return answer.decode().strip()

    def states(self) -> dict[str, str]:
        """Container -> UP, DOWN, DRAIN ..., as health checks have it."""
        rows = csv.DictReader(self.say("show stat").removeprefix("# ").splitlines())
        return {
            row["svname"]: row["status"].split()[0]
            for row in rows
            if row["pxname"] == BACKEND and row["svname"] != "BACKEND"
        }

    def wait_for(self, container: str, state: str) -> None:
        wait_until(lambda: self.states().get(container) == state, f"{container} to be {state}")


@contextlib.contextmanager
def running_haproxy(containers: Mapping[str, int], how: str = "") -> Iterator[Balancer]:
    """HAProxy before containers by name and port; `how` is put into their backend."""
    folder = Path(tempfile.mkdtemp(prefix="mme-test-"))
    lines = [f"backend {BACKEND} from containers", f"    {how}"]
    lines += [
        f"    server {name} 127.0.0.1:{port} id {number}"
        for number, (name, port) in enumerate(containers.items(), 1)
    ]
    servers = folder / "servers.cfg"
    servers.write_text("\n".join([*lines, ""]))
    port, figures_port = free_port(), free_port()
    balancer = Balancer(
        f"http://127.0.0.1:{port}", f"http://127.0.0.1:{figures_port}", folder / "admin"
    )
    environment = os.environ | {
        "MME_BIND": f"127.0.0.1:{port}",
        "MME_STATS_BIND": f"127.0.0.1:{figures_port}",
        "MME_ADMIN_SOCKET": str(balancer.admin),
    }
    log = (folder / "log").open("w+")
    process = subprocess.Popen(
        ["haproxy", "-db", "-f", str(CONFIGURATION), "-f", str(servers)],
        env=environment, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or _answers(balancer), "HAProxy to be there")
        assert process.poll() is None, (folder / "log").read_text()
        yield balancer
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        shutil.rmtree(folder)


def _answers(balancer: Balancer) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{balancer.figures_url}/ready", timeout=5).status_code == 200
    return False
