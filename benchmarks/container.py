"""The image: how large it is, how soon it answers after `docker run`, what it takes while idle.

Needs an engine (docker or podman) and the image (`make image`). There is no stock to compare with.
"""

from __future__ import annotations

import contextlib
import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks.peer_servers.processes import answers
from benchmarks.table import NotPossible, Row
from benchmarks.workload import TARGET, TEXTS, expected_answer
from mme.core.settings import PROJECT_ROOT
from tests.support.engine import IMAGE, container, engine, run

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 5
MIB = 1024 * 1024
IMAGE_AIM_BYTES, START_AIM_S, IDLE_AIM_BYTES = 700 * 10**6, 2.0, 200 * MIB
IDLE_S = 5.0
"""After the first answer: what starts beside it is done then."""
POLL_S = 0.01
ANONYMOUS = """
import os
kinds = 'Pss_Anon:', 'Pss_Shmem:'
pids = [pid for pid in os.listdir('/proc') if pid.isdigit() and pid != str(os.getpid())]
lines = [line for pid in pids for line in open(f'/proc/{pid}/smaps_rollup')]
print(1024 * sum(int(line.split()[1]) for line in lines if line.startswith(kinds)))
"""


def measure() -> list[Row]:
    """Size, then start and idle memory of the ways to run it."""
    try:
        size_bytes = int(run("image", "inspect", "--format", "{{.Size}}", IMAGE))
    except (AssertionError, OSError) as error:
        raise NotPossible(f"{engine()} has no image {IMAGE}; run `make image` ({error})") from error
    rows = [
        Row(
            f"image, unpacked, as {Path(engine()).name} counts it",
            "",
            f"{size_bytes / 1e6:.0f} MB",
            "≤ 700 MB",
            met=size_bytes <= IMAGE_AIM_BYTES,
        )
    ]
    with _unpacked() as folder:
        ways = {
            "standalone": ([], {}),
            "multi-model container": ([], {"SAGEMAKER_MULTI_MODEL": "true"}),
            "single-model container": ([f"--volume={folder}:/opt/ml/model:ro"], {}),
            "standalone, 1 CPU and 512 MiB": (["--cpus=1", "--memory=512m"], {}),
        }
        for way, (options, environment) in ways.items():
            found = [_start(options, environment) for _ in range(RUNS)]
            start_s = statistics.median(start_s for start_s, _ in found)
            idle_bytes = statistics.median(idle_bytes for _, idle_bytes in found)
            rows += [
                Row(
                    f"{way}: from `{Path(engine()).name} run` to the first 200 of /ping, median",
                    "",
                    f"{start_s:.1f} s ({min(s for s, _ in found):.1f} to"
                    f" {max(s for s, _ in found):.1f})",
                    f"≤ {START_AIM_S:g} s",
                    met=start_s <= START_AIM_S,
                ),
                Row(
                    f"{way}: memory while idle, anonymous and shared, all processes",
                    "",
                    f"{idle_bytes / MIB:.0f} MiB",
                    f"≤ {IDLE_AIM_BYTES // MIB} MiB",
                    met=idle_bytes <= IDLE_AIM_BYTES,
                ),
            ]
    return [*rows, _narrow()]


def _narrow() -> Row:
    """Whether all samples answer where there is little."""
    wrong = 0
    with container("--cpus=1", "--memory=512m") as box:
        while not answers(f"{box.url}/ping"):
            time.sleep(POLL_S)
        for family, texts in TEXTS.items():
            for kind, text in texts:
                headers = {TARGET: f"{family}.tar.gz", "Content-Type": kind}
                answer = requests.post(
                    f"{box.url}/invocations", headers=headers, data=text.encode(), timeout=60
                )
                wrong += answer.content != expected_answer(family, kind, text)
    return Row(
        "all sample artifacts answer on 1 CPU and 512 MiB",
        "",
        f"{wrong} wrong answers",
        "works",
        met=wrong == 0,
    )


@contextlib.contextmanager
def _unpacked() -> Iterator[Path]:
    """A sample artifact where anybody may read it."""
    with tempfile.TemporaryDirectory(prefix="mme-model-") as folder:
        with tarfile.open(PROJECT_ROOT / "artifacts" / "DocSim.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        Path(folder).chmod(0o755)
        yield Path(folder)


def _start(options: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Seconds until it answers, and bytes it takes a little later."""
    began_s = time.perf_counter()
    with container(*options, environment=environment) as box:
        while not answers(f"{box.url}/ping"):
            time.sleep(POLL_S)
        took_s = time.perf_counter() - began_s
        time.sleep(IDLE_S)
        return took_s, int(box.python(ANONYMOUS))
