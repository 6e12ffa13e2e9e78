"""A Ray cluster of two nodes on this machine, each of processes of its own.

It is another process's, this file run as a program: what of a node did not come up ends with it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.endpoint import PROJECT, START_TIMEOUT_S, free_port
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ATTEMPTS = 5
"""Ray gives up a node that is not up within half a minute; a machine may have much else to do."""
STORE_BYTES = 80 * 1024 * 1024
SYSTEM = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 10,
    "enable_worker_prestart": False,
    "worker_register_timeout_seconds": 300,
}
PORTS = (
    "metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port",
    "metrics_export_port",
)  # fmt: skip
"""Named, so that a node does not wait until its processes say which they have taken."""
NODE_ID, LISTEN_PORT = "RAY_OVERRIDE_NODE_ID_FOR_TESTING", "dashboard_agent_listen_port"
AT, KILL, KILLED = "ray is at ", "kill\n", "killed\n"


@dataclass
class RayNodes:
    """The cluster; `environment` is for who is to use it."""

    environment: Mapping[str, str]
    folder: Path
    process: subprocess.Popen[str]

    def kill_second(self) -> None:
        """End all processes of the second node, as when its machine is lost."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(KILL)
        self.process.stdin.flush()
        assert any(line == KILLED for line in self.process.stdout)


@contextlib.contextmanager
def ray_nodes(settings: Mapping[str, str]) -> Iterator[RayNodes]:
    """Two nodes with a processor each, whose environment has `settings`."""
    folder = Path(tempfile.mkdtemp(prefix="mme-test-"))
    (folder / "ray").mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MME_", "AWS_", "RAY_"))}
    environment = {
        **kept,
        **settings,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(folder),
        "TMPDIR": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(PROJECT),
    }
    try:
        for left in range(ATTEMPTS - 1, -1, -1):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.ray_nodes"],
                cwd=PROJECT, env=environment, text=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            with process:
                address = _address(process)
                if address:
                    yield RayNodes(environment | {"RAY_ADDRESS": address}, folder, process)
                    return
            assert left, "the nodes did not come up; the log above tells why"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _address(process: subprocess.Popen[str]) -> str:
    """Where the cluster is; empty if it did not come up."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(AT):
            return line.removeprefix(AT).strip()
    return ""


def main() -> None:
    """Be the nodes until the end of stdin."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - an extra

    session = Path(os.environ["RAY_TMPDIR"]) / "ray" / "session_latest"
    session.unlink(missing_ok=True)
    cluster: Any = Cluster()
    cluster.add_node(
        **_node(session), include_dashboard=False, no_monitor=True, _system_config=SYSTEM
    )
    second = cluster.add_node(**_node(session))
    print(f"{AT}{cluster.address}", flush=True)
    for line in sys.stdin:
        if line == KILL:
            cluster.remove_node(second, allow_graceful=False)
            print(KILLED, end="", flush=True)
    cluster.shutdown()


def _node(session: Path) -> dict[str, Any]:
    name = secrets.token_hex(28)
    ports = {name: free_port() for name in PORTS}
    threading.Thread(
        target=_say_port, args=(session, name, ports[LISTEN_PORT]), daemon=True
    ).start()
    return {
        "num_cpus": 1, "object_store_memory": STORE_BYTES, "include_log_monitor": False,
        "env_vars": {NODE_ID: name}, **ports,
    }  # fmt: skip


def _say_port(session: Path, node: str, port: int) -> None:
    """Write what the node's agent of the dashboard, of no use here, says when it is up at last."""
    eventually(session.is_dir, bool, START_TIMEOUT_S)
    (session / f"{LISTEN_PORT}_{node}").write_text(str(port))


if __name__ == "__main__":
    main()
