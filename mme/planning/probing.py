"""Measures what the models of a folder cost on this machine, by an endpoint that serves them.

The endpoint is the product in a process of its own, with one worker that keeps one model, so that
each model can be seen coming in, loading and in memory. Each is asked a request of its own
(`sample-request.json`) or what its family answers; the lines of the log say what took how long,
which `measuring.py` makes costs of.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from mme.core.names import TARGET_HEADER, as_header
from mme.core.unix_http import UnixConnection
from mme.planning.costs import Cost, Costs, CostsError
from mme.planning.measuring import measured, observed, return_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MOST_MODELS = 200
"""So many artifacts are asked at most, evenly chosen; the others cost as these do on average."""
ROUNDS, WARM_ASKED = 3, 4
PAUSE_S = 0.03
"""Between two requests: where they follow at once, all caches are warm, as with real callers they
are not."""
START_S, STOP_S, ANSWER_S, POLL_S = 120.0, 30.0, 120.0, 0.1
OK = 200
JSON = {"Content-Type": "application/json"}
ALONE = {
    "MME_LOG_FORMAT": "json", "MME_RESIDENT_MODELS": "1", "MME_POOL_MIN": "1", "MME_POOL_MAX": "1",
}  # fmt: skip


def probed(artifacts: Path, told: Callable[[int, int], None] = lambda _, __: None) -> Costs:
    """The costs of the artifacts in a folder. `told` hears how many of how many are measured.

    Raises CostsError: there are none, or the endpoint does not answer.
    """
    if not artifacts.is_dir():
        raise CostsError(f"{artifacts} is no folder of artifacts")
    paths = sorted(artifacts.rglob("*.tar.gz"))
    targets = [path.relative_to(artifacts).as_posix() for path in paths]
    if not targets:
        raise CostsError(f"{artifacts} holds no *.tar.gz")
    chosen = targets[:: -(-len(targets) // MOST_MODELS)]
    with tempfile.TemporaryDirectory(prefix="mme-") as name:
        scratch = Path(name)
        with _endpoint(artifacts, scratch) as connection:
            sizes, waited_s = _asked(connection, chosen, told)
        lines = (scratch / "log").read_text("utf-8", "replace").splitlines()
    try:
        seen = observed(lines)
        return replace(measured(seen, sizes), return_s=return_s(seen, waited_s))
    except ValueError as error:
        raise CostsError(f"{artifacts}: {error}") from error


@contextlib.contextmanager
def _endpoint(artifacts: Path, scratch: Path) -> Iterator[UnixConnection]:
    """An endpoint of its own, ready; its log is `scratch/log`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MME_")}
    environment |= ALONE | {
        "MME_STORE": str(artifacts.resolve()),
        "MME_SOCKET": str(scratch / "socket"),
        "MME_CACHE_DIR": str(scratch / "cache"),
        "MME_STATE_DIR": str(scratch / "state"),
    }
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mme", "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        with contextlib.closing(UnixConnection(str(scratch / "socket"), ANSWER_S)) as connection:
            _await(connection, process)
            yield connection
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(connection: UnixConnection, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until_s:
        with contextlib.suppress(OSError, HTTPException):
            if _answer(connection, "GET", "/ping")[0] == OK:
                return
        connection.close()
        time.sleep(POLL_S)
    raise CostsError("the endpoint that is to measure the artifacts does not come up: mme doctor")


def _asked(
    connection: UnixConnection, targets: Sequence[str], told: Callable[[int, int], None]
) -> tuple[dict[str, Cost], list[float]]:
    """Ask each, cold and then warm, in rounds.

    Returns what each took before it was asked, and how long each answer was waited for.
    """
    sizes: dict[str, Cost] = {}
    waited_s: list[float] = []
    samples: dict[str, Any] = {}
    steps = len(targets) * (ROUNDS + 1)
    for number, target in enumerate(targets):
        body = json.dumps({"target_model": target})
        status, _ = _answer(connection, "POST", "/models", body, JSON)
        if status == OK:  # else it is not fit to serve, which `mme doctor` tells of
            sizes[target] = _size(connection, target)
            status, sample = _answer(connection, "GET", f"/models/{quote(target)}/sample")
            if status == OK:  # else its own is none
                samples[target] = sample
        told(number + 1, steps)
    done = len(targets)
    for _ in range(ROUNDS):
        for target, sample in samples.items():
            headers = {TARGET_HEADER: as_header(target), "Content-Type": sample["content_type"]}
            for _ in range(1 + WARM_ASKED):
                time.sleep(PAUSE_S)
                began_s = time.perf_counter()
                _answer(connection, "POST", "/invocations", sample["body"], headers)
                waited_s.append(time.perf_counter() - began_s)
            done += 1
            told(done, steps)
    return sizes, waited_s


def _size(connection: UnixConnection, target: str) -> Cost:
    view = _answer(connection, "GET", f"/models/{quote(target)}")[1]
    # Not how long the load took: the first model of a language waits for its pipeline, others not.
    query = urlencode({"kind": "arrived", "target": target})
    arrived = _answer(connection, "GET", f"/events?{query}")[1]["events"]
    usual = Cost()
    first_s = float(arrived[-1]["fetch_s"]) if arrived else usual.first_s
    return Cost(
        first_s=first_s,
        own_bytes=int(view.get("memory_bytes", usual.own_bytes)),
        disk_bytes=int(view.get("unpacked_bytes", usual.disk_bytes)),
    )


def _answer(
    connection: UnixConnection,
    method: str,
    path: str,
    body: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    connection.request(method, path, body.encode(), headers or {})
    response = connection.getresponse()
    content = response.read()
    is_json = response.headers.get_content_type() == "application/json"  # a model's need not be
    return response.status, json.loads(content) if content and is_json else {}
