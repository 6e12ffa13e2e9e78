"""A Ray cluster of two nodes on this machine, each of processes of its own.

It is another process's, this file run as a program: what of a node did not come up ends with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.endpoint import PROJECT, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ATTEMPTS = 5
"""Ray gives up a node of which a part is not up within 15 s; a machine may have much else to do."""
STORE_BYTES = 80 * 1024 * 1024
QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 6,
}
PORTS = (
    "metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port",
    "metrics_export_port",
)  # fmt: skip
"""Named, so that a node waits for fewer of its processes to say which they have taken."""
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

    cluster: Any = Cluster()
    cluster.add_node(
        **_node(), include_dashboard=False, no_monitor=True, _system_config=QUICK_TO_NOTICE
    )
    second = cluster.add_node(**_node())
    print(f"{AT}{cluster.address}", flush=True)
    for line in sys.stdin:
        if line == KILL:
            cluster.remove_node(second, allow_graceful=False)
            print(KILLED, end="", flush=True)
    cluster.shutdown()


def _node() -> dict[str, Any]:
    ports = {name: free_port() for name in PORTS}
    return {
        "num_cpus": 1, "object_store_memory": STORE_BYTES, "include_log_monitor": False, **ports,
    }  # fmt: skip


if __name__ == "__main__":
    main()
