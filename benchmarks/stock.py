"""Stock Multi Model Server: its own front end starting its own Python for every model."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from mme.core.settings import PROJECT_ROOT
from mme.mms import config as mms_config
from mme.mms import find_java
from mme.mms.server import package_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_TIMEOUT_S = 60
LOAD_TIMEOUT_S = 120
OK = 200


@dataclass(frozen=True, slots=True)
class Stock:
    """A running stock server and a folder of unpacked artifacts."""

    url: str
    pid: int
    folder: Path

    def load(self, name: str, family: str) -> None:
        """Register a model of the family under `name`; returns when it answers."""
        model_dir = self.folder / name
        if not model_dir.exists():
            with tarfile.open(PROJECT_ROOT / "artifacts" / f"{family}.tar.gz") as archive:
                archive.extractall(model_dir, filter="data")
        query = {"model_name": name, "url": str(model_dir), "synchronous": "true",
                 "initial_workers": "1"}  # fmt: skip
        answer = requests.post(f"{self.url}/models", params=query, timeout=LOAD_TIMEOUT_S)
        answer.raise_for_status()

    def ask(self, name: str, kind: str, text: str) -> bytes:
        """One request; raises for any status but 200."""
        answer = requests.post(
            f"{self.url}/models/{name}/invoke",
            headers={"Content-Type": kind},
            data=text.encode(),
            timeout=LOAD_TIMEOUT_S,
        )
        answer.raise_for_status()
        return answer.content

    def unload(self, name: str) -> None:
        """Unregister `name`."""
        requests.delete(f"{self.url}/models/{name}", timeout=LOAD_TIMEOUT_S).raise_for_status()


@contextlib.contextmanager
def running_stock(handler: Path, before_start: Callable[[], None] | None = None) -> Iterator[Stock]:
    """Run the server with `handler`, by the command and settings the endpoint uses for its own."""
    with tempfile.TemporaryDirectory(prefix="stock-") as run_dir:
        folder = Path(run_dir)
        config = mms_config.MmsConfig(
            address=f"http://127.0.0.1:{_free_port()}",
            package_dir=package_dir(),
            run_dir=folder,
            handler=handler,
            worker_program=Path(sys.executable),
            response_timeout_s=LOAD_TIMEOUT_S,
            max_body_bytes=6 * 1024 * 1024,
            heap_mib=256,
            queue_length=100,
        )
        for each in (*config.folders, folder / "models"):
            each.mkdir()
        config.properties_file.write_text(mms_config.properties(config))
        config.log_config_file.write_text(mms_config.log_config())
        paths = f"{PROJECT_ROOT}:{handler.parent}"
        process = subprocess.Popen(
            mms_config.command(config, find_java(None)),
            env=mms_config.environment(config, os.environ) | {"PYTHONPATH": paths},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=before_start,  # noqa: PLW1509 - benchmarks start one process at a time
        )
        try:
            _wait_until_answering(config.address)
            yield Stock(config.address, process.pid, folder / "models")
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    """A port that is free now, below the 32767 the server refuses."""
    for port in random.sample(range(20000, 32767), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("there is no free port from 20000 to 32766")


def _wait_until_answering(url: str) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/ping", timeout=1).status_code == OK:
                return
        time.sleep(0.05)
    raise TimeoutError(f"stock MMS does not answer at {url}")
