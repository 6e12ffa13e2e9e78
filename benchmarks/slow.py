"""A model that computes for five seconds beside the requests to fifty others.

Its requests come one after the other, so one is always being computed.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import requests

from benchmarks.table import Row
from benchmarks.traffic import drive
from benchmarks.workload import TARGET, Model, exchanges, fill_store
from tests.support.endpoint import running_endpoint
from tests.support.slow import slow_text

if TYPE_CHECKING:
    from tests.support.endpoint import Endpoint

OTHERS = 50
ROUNDS, ROUND_S = 3, 10.0
TIMEOUT_S, WANTED_S = 60.0, 5.0
CALIBRATION_WORDS, CALIBRATIONS = 10_000, 2
MOST_WORDS = 75_000  # the family takes a million characters
AIM_RATIO = 1.5
FAMILY = "TopicalPageRank"


def measure() -> list[Row]:
    """The quiet runs come right before the busy ones, in turn."""
    quiet_ms, busy_ms, took_s = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = fill_store(scratch / "store", 1 + OTHERS, (FAMILY,))
        with running_endpoint(str(scratch / "store"), scratch) as endpoint:
            asked = [exchanges(endpoint.url, model)[0] for model in models[1:]]
            drive(endpoint.url, asked, connections=1, total=3 * len(asked))
            slow = _Slow(endpoint, models[0])
            for _ in range(ROUNDS):
                quiet = drive(endpoint.url, asked, connections=1, for_s=ROUND_S)
                with slow:
                    busy = drive(endpoint.url, asked, connections=1, for_s=ROUND_S)
                assert not quiet.failures + busy.failures, (quiet.failures + busy.failures)[:3]
                quiet_ms.append(quiet.percentile_ms(99))
                busy_ms.append(busy.percentile_ms(99))
            took_s = slow.took_s
    ratio = statistics.median(busy_ms) / statistics.median(quiet_ms)
    return [
        Row(
            f"p99 of {OTHERS} models beside one whose requests take"
            f" {statistics.median(took_s):.1f} s each",
            "-",
            f"{ratio:.2f}x ({statistics.median(busy_ms):.1f} ms, quiet"
            f" {statistics.median(quiet_ms):.1f} ms)",
            f"≤ {AIM_RATIO}x",
            met=ratio <= AIM_RATIO,
        )
    ]


class _Slow:
    """Asks one model for about five seconds of work, or the longest text, again and again."""

    def __init__(self, endpoint: Endpoint, model: Model) -> None:
        self.took_s: list[float] = []
        self._url = f"{endpoint.url}/invocations"
        self._headers = {TARGET: model.target, "Content-Type": "text/plain"}
        self._over = threading.Event()
        self._thread = threading.Thread()
        # Words that were seen before are read faster, so the text is known before it is timed.
        self._words = CALIBRATION_WORDS
        for _ in range(CALIBRATIONS):
            self._ask()
            self._words = min(MOST_WORDS, round(self._words * WANTED_S / self._timed()))
        self._ask()

    def __enter__(self) -> Self:
        self._over.clear()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self.took_s.append(self._timed())

    def _timed(self) -> float:
        began_s = time.perf_counter()
        self._ask()
        return time.perf_counter() - began_s

    def _ask(self) -> None:
        text = slow_text(self._words).encode()
        answer = requests.post(self._url, headers=self._headers, data=text, timeout=TIMEOUT_S)
        answer.raise_for_status()
