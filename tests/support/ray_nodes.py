"""A Ray cluster of two nodes on this machine, each of processes of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.endpoint import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ATTEMPTS = 4
"""Ray gives a node half a minute to start, which a machine with much else to do may need."""
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
"""Named, so that a node does not wait for each of its processes to say which it has taken."""


@dataclass
class RayNodes:
    """The cluster; `environment` is for who is to use it."""

    cluster: Any
    second: Any
    environment: Mapping[str, str]
    folder: Path

    def kill_second(self) -> None:
        """End all processes of the second node, as when its machine is lost."""
        self.cluster.remove_node(self.second, allow_graceful=False)


@contextlib.contextmanager
def ray_nodes(settings: Mapping[str, str]) -> Iterator[RayNodes]:
    """Two nodes with a processor each, whose environment has `settings`."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - an extra

    folder = Path(tempfile.mkdtemp(prefix="mme-test-"))
    (folder / "ray").mkdir()
    environment = {
        **settings,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(folder),
        "TMPDIR": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith(("MME_", "AWS_", "RAY_"))]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            cluster, second = _started(Cluster)
            try:
                used = dict(os.environ) | {"RAY_ADDRESS": cluster.address}
                yield RayNodes(cluster, second, used, folder)
            finally:
                cluster.shutdown()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _started(kind: Any) -> tuple[Any, Any]:
    for left in range(ATTEMPTS - 1, -1, -1):
        cluster = kind()
        try:
            cluster.add_node(
                **_node(), include_dashboard=False, no_monitor=True, _system_config=QUICK_TO_NOTICE
            )
            return cluster, cluster.add_node(**_node())
        except Exception:  # Ray has no class for a node that is late
            cluster.shutdown()
            if not left:
                raise
    raise AssertionError


def _node() -> dict[str, Any]:
    ports = {name: free_port() for name in PORTS}
    return {
        "num_cpus": 1, "object_store_memory": STORE_BYTES, "include_log_monitor": False, **ports,
    }  # fmt: skip
