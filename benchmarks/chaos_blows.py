"""Blows: an endpoint's processes by kind, of which one is killed or stopped every so often."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from benchmarks.footprint import command, descendants
from tests.support.processes import parent

if TYPE_CHECKING:
    from collections.abc import Sequence

PERIODS_S = {"worker": 0.5, "launcher": 1.0, "template": 3.0, "mms": 6.0}
"""The least time between two blows to each kind."""
STOPPED_S = 0.5


def of_kind(endpoint: int, kind: str) -> list[int]:
    """The processes of a kind below the endpoint's."""
    found = []
    for pid in descendants(endpoint):
        with contextlib.suppress(OSError):
            if _kind(pid, endpoint) == kind:
                found.append(pid)
    return found


def _kind(pid: int, endpoint: int) -> str:
    words = command(pid)
    if "com.amazonaws.ml.mms.ModelServer" in words:
        return "mms"
    if "/prefork/launcher" in words:
        return "launcher"
    if "mme.prefork" not in words:
        return "other"
    if parent(pid) == endpoint:
        return "template"
    return "admission" if os.getsid(pid) == pid else "worker"


@dataclass
class Blows:
    """Hits a process of an endpoint every so often, until the end of the `with` block.

    Of the kinds whose period is over since they were hit, chance has one.
    """

    endpoint: int
    kinds: Sequence[str]
    every_s: float
    stops: bool = False
    """Stop them for a while instead of killing them."""
    seed: int = 1
    at_s: list[float] = field(default_factory=list)
    """When each blow fell, and when a stopped process went on."""
    by_kind: dict[str, int] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join()

    def _run(self) -> None:
        chosen = random.Random(self.seed)  # noqa: S311 - a workload
        open_s = dict.fromkeys(self.kinds, 0.0)
        while not self._over.wait(self.every_s):
            now_s = time.monotonic()
            kinds = [kind for kind, from_s in open_s.items() if from_s <= now_s]
            if not kinds:
                continue
            kind = chosen.choice(kinds)
            open_s[kind] = now_s + PERIODS_S[kind]
            if victims := of_kind(self.endpoint, kind):
                self._hit(chosen.choice(victims), kind)

    def _hit(self, victim: int, kind: str) -> None:
        self.at_s.append(time.monotonic())
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        with contextlib.suppress(ProcessLookupError):
            if not self.stops:
                os.kill(victim, signal.SIGKILL)
                return
            os.kill(victim, signal.SIGSTOP)
            time.sleep(STOPPED_S)
            self.at_s.append(time.monotonic())
            os.kill(victim, signal.SIGCONT)
