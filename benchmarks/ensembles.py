"""The sample ensemble against its steps asked one by one: over HTTP, and within one process."""

from __future__ import annotations

import json
import statistics
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from benchmarks.share import of
from benchmarks.table import Row
from benchmarks.workload import TARGET
from models.registry import load_model
from models.serving import Request
from tests.support.endpoint import running_endpoint
from tests.support.fact_checks import CLAIMS, ENSEMBLE, MEMBERS, make_sample, one_by_one

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[str, Any], Any]

COMPARED_WITH = "its steps one by one"
ROUNDS = 100
KIND = "application/json"
TIMEOUT_S = 60


def measure() -> list[Row]:
    """Both in turn, and each answer compared."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        store = scratch / "store"
        store.mkdir()
        made = make_sample(store)
        return [
            _row("over HTTP, one connection", *_over_http(store, scratch)),
            _row("within one process, without HTTP", *_within(made, scratch / "unpacked")),
        ]


def _row(how: str, steps_s: float, ensemble_s: float) -> Row:
    return Row(
        f"a claim checked {how}, p50",
        f"{steps_s * 1000:.2f} ms",
        f"{ensemble_s * 1000:.2f} ms",
        "no slower",
        ensemble_s <= steps_s,
    )


def _over_http(store: Path, scratch: Path) -> tuple[float, float]:
    with running_endpoint(str(store), scratch) as endpoint, requests.Session() as session:

        def ask(target: str, body: Any) -> Any:
            headers = {TARGET: target, "Content-Type": KIND}
            url = f"{endpoint.url}/invocations"
            answer = session.post(url, json.dumps(body), headers=headers, timeout=TIMEOUT_S)
            answer.raise_for_status()
            return answer.json()

        return _compared(ask)


def _within(archive: Path, folder: Path) -> tuple[float, float]:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    folders = {f"{name}.tar.gz": folder / name for name in MEMBERS} | {ENSEMBLE: folder}
    models = {target: load_model(place) for target, place in folders.items()}

    def ask(target: str, body: Any) -> Any:
        answer = models[target].predict(Request(KIND, None, json.dumps(body).encode()))
        return json.loads(answer.body)

    return _compared(ask)


def _compared(ask: Ask) -> tuple[float, float]:
    """Medians in seconds: of the steps together, and of the ensemble. Raises AssertionError."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(of(ROUNDS) + 1):
        for claim in CLAIMS:
            began_s = time.perf_counter()
            one = one_by_one(ask, claim)
            between_s = time.perf_counter()
            other = ask(ENSEMBLE, {"claim": claim})
            ended_s = time.perf_counter()
            if one != other:
                raise AssertionError(f"{claim}: {one} is not {other}")
            if number:  # the first brings the models in
                took[0].append(between_s - began_s)
                took[1].append(ended_s - between_s)
    return statistics.median(took[0]), statistics.median(took[1])
