"""Warm latency of one model while two hundred others load, fail to load and unload around it."""

from __future__ import annotations

import statistics
import tempfile
import threading
from pathlib import Path
from typing import Self

import requests

from benchmarks.table import Row
from benchmarks.traffic import drive
from benchmarks.workload import exchanges, fill_store
from tests.support.endpoint import Endpoint, running_endpoint

OTHERS, BROKEN_EVERY = 200, 5
ROUNDS, ROUND_S = 3, 6.0
AIM_RATIO = 1.5


def measure() -> list[Row]:
    """The quiet runs come right before the busy ones, in turn."""
    quiet_ms, busy_ms = [], []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = fill_store(scratch / "store", OTHERS + 1)
        for model in models[1::BROKEN_EVERY]:
            broken = scratch / "store" / model.target
            broken.unlink()
            broken.write_bytes(b"this is no archive")
        settings = {"MME_FAILURE_MEMORY_S": "0"}
        with running_endpoint(str(scratch / "store"), scratch, settings) as endpoint:
            probe = exchanges(endpoint.url, models[0])
            drive(endpoint.url, probe, connections=1, total=300)
            changes = 0
            for _ in range(ROUNDS):
                quiet = drive(endpoint.url, probe, connections=1, for_s=ROUND_S)
                with _Churn(endpoint, [model.target for model in models[1:]]) as churn:
                    busy = drive(endpoint.url, probe, connections=1, for_s=ROUND_S)
                assert not quiet.failures + busy.failures, busy.failures[:3]
                assert churn.loaded > 0
                assert churn.failed > 0
                changes += churn.loaded + churn.failed
                quiet_ms.append(quiet.percentile_ms(99))
                busy_ms.append(busy.percentile_ms(99))
    ratio = statistics.median(busy_ms) / statistics.median(quiet_ms)
    rate = changes / (ROUNDS * ROUND_S)
    return [
        Row(
            f"warm p99 of one model while 200 others load, fail and unload ({rate:.0f} a second)",
            "-",
            f"{ratio:.1f}x ({statistics.median(busy_ms):.1f} ms, quiet "
            f"{statistics.median(quiet_ms):.1f} ms)",
            f"≤ {AIM_RATIO}x its quiet p99",
            met=ratio <= AIM_RATIO,
        )
    ]


class _Churn:
    """One client that loads and unloads targets, one after the other, until told to stop."""

    def __init__(self, endpoint: Endpoint, targets: list[str]) -> None:
        self.loaded = self.failed = 0
        self._url = f"{endpoint.url}/models"
        self._targets = targets
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with requests.Session() as session:
            while not self._over.is_set():
                for target in self._targets:
                    if self._over.is_set():
                        return
                    answer = session.post(self._url, json={"target_model": target}, timeout=60)
                    if answer.ok:
                        self.loaded += 1
                        session.delete(f"{self._url}/{target}", timeout=60).raise_for_status()
                    else:
                        self.failed += 1
