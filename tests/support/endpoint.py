"""A real endpoint in a process of its own, started as an operator starts it."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PROJECT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 40


@dataclass
class Endpoint:
    """A running endpoint: where it is, what it said, which process it is."""

    url: str
    process: subprocess.Popen[str]
    log_lines: list[str] = field(default_factory=list)
    out_lines: list[str] = field(default_factory=list)
    """What it wrote on its standard output."""
    said: threading.Condition = field(default_factory=threading.Condition)
    run_dir_parent: Path = Path("/nonexistent")
    """Its temporary folder."""
    scratch: Path = Path("/nonexistent")
    """Where its cache is, and what else a test keeps for it."""

    @property
    def log(self) -> str:
        return "".join(self.log_lines)

    def wait_for_log(self, words: str, timeout_s: float = 30) -> None:
        """Return when a line of the log holds `words`."""
        with self.said:
            seen = self.said.wait_for(lambda: words in self.log, timeout_s)
        assert seen, f"{words!r} was not logged:\n{self.log}"

    def client(self, **options: Any) -> Any:
        """A boto3 client for the endpoint, unmodified but for retries."""
        return boto3.client(
            "sagemaker-runtime",
            endpoint_url=self.url,
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=70, **options),
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_endpoint(
    store: str | None,
    scratch: Path,
    settings: Mapping[str, str] | None = None,
    before_start: Callable[[], None] | None = None,
    program: Sequence[str] = ("serve.py",),
    *,
    start_timeout_s: float = START_TIMEOUT_S,
    python: str = sys.executable,
    folder: Path = PROJECT,
) -> Iterator[Endpoint]:
    """Start an endpoint on a free port with its cache below `scratch`; no store: its own.

    `program` is what `python` is given in `folder`: a file, or its own options.
    `before_start` runs in the new process, before it becomes the endpoint.
    """
    # Not below `scratch`: sockets need a short path.
    temp = Path(tempfile.mkdtemp(prefix="mme-test-"))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MME_", "AWS_"))
    }
    environment |= {
        "MME_HOST": "127.0.0.1",
        "MME_PORT": "0",
        **({} if store is None else {"MME_STORE": store}),
        "MME_CACHE_DIR": str(scratch / "cache"),
        "MME_STATE_DIR": str(scratch / "state"),
        "TMPDIR": str(temp),
        **(settings or {}),
    }
    process = subprocess.Popen(
        [python, *program],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before_start,  # noqa: PLW1509 - tests start one process at a time
    )
    endpoint = Endpoint("", process, run_dir_parent=temp, scratch=scratch)
    ready: queue.Queue[str | None] = queue.Queue()
    readers = [
        threading.Thread(target=_read_stdout, args=(process, ready, endpoint.out_lines)),
        threading.Thread(target=_read_stderr, args=(process, endpoint)),
    ]
    for reader in readers:
        reader.start()
    try:
        url = ready.get(timeout=start_timeout_s)
        assert url is not None, f"the endpoint ended while starting:\n{endpoint.log}"
        endpoint.url = url
        yield endpoint
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in readers:
            reader.join()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(temp, ignore_errors=True)


def _read_stdout(
    process: subprocess.Popen[str], ready: queue.Queue[str | None], lines: list[str]
) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        found = re.search(r"ready at (\S+?);", line)
        in_container = re.search(r"container is ready on port (\d+)", line)
        if found:
            ready.put(found[1])
        elif in_container:
            ready.put(f"http://127.0.0.1:{in_container[1]}")
    ready.put(None)


def _read_stderr(process: subprocess.Popen[str], endpoint: Endpoint) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        with endpoint.said:
            endpoint.log_lines.append(line)
            endpoint.said.notify_all()


def processes_with(marker: str) -> list[str]:
    """Command lines of the processes whose command line or environment mentions `marker`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        environment = b""
        with contextlib.suppress(OSError):  # confined processes let nobody but root see it
            environment = (entry / "environ").read_bytes()
        if marker.encode() in command or marker.encode() in environment:
            found.append(
                f"{entry.name}: {command.replace(bytes(1), b' ').decode(errors='replace')}"
            )
    return found
