"""What the residency stands on, as fakes: a catalog and workers that do as a test says.

`FakeWorkers` has what `mme.workers.engine.Workers` offers to the residency, and remembers what it
was asked for; a test may hold requests (`hold`) or have them fail (`failures`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mme.core.artifact import Admitted, Findings
from mme.core.door import Answer
from mme.core.errors import NotLoaded
from mme.core.names import model_name
from mme.core.terms import PLAIN, Terms
from mme.workers.counts import WorkerCounts
from mme.workers.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.timing import Timing
    from mme.workers.engine import Workers

NOWHERE = Path("/nowhere")


def admitted(target: str = "m", version: str = "1", at: float = 0.0) -> Admitted:
    """A version of a target, on a disk that nobody looks at."""
    return Admitted(
        model_name(target, version), target, version, NOWHERE, NOWHERE, 10, at, Findings(20)
    )


class Gate:
    """Open unless it is closed: who comes then waits."""

    def __init__(self) -> None:
        self._is_open = asyncio.Event()
        self._is_open.set()
        self.reached = asyncio.Event()
        """Set when somebody has come since it was closed."""

    def close(self) -> None:
        self._is_open.clear()
        self.reached.clear()

    def open(self) -> None:
        self._is_open.set()

    async def passed(self) -> None:
        self.reached.set()
        await self._is_open.wait()


@dataclass
class FakeCatalog:
    """Has the versions that `versions` names, once they were brought."""

    versions: dict[str, str] = field(default_factory=lambda: {"m": "1"})
    failures: list[Exception] = field(default_factory=list)
    """What the next ones asked raise."""
    gate: Gate = field(default_factory=Gate)
    """What is brought waits here."""
    discarding: Gate = field(default_factory=Gate)
    """And here what is discarded."""
    brought: list[str] = field(default_factory=list)
    """Targets, one after the other."""
    checked: list[str] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)
    """Names of versions."""
    damaged: list[str] = field(default_factory=list)
    """Names of versions that are not intact, once each."""
    here: set[str] = field(default_factory=set)
    """Names of the versions on the disk."""

    async def bring(self, target: str) -> Admitted:
        self.brought.append(target)
        await self.gate.passed()
        self._fail()
        if target not in self.versions:
            raise NotLoaded(target)
        # Each time it is admitted it is another artifact.
        artifact = admitted(target, self.versions[target], at=len(self.brought))
        if artifact.name in self.here:
            return replace(artifact, admitted_at=0.0)
        self.here.add(artifact.name)
        return artifact

    async def has_changed(self, artifact: Admitted) -> bool:
        self.checked.append(artifact.target)
        self._fail()
        return self.versions.get(artifact.target) != artifact.version

    def is_here(self, artifact: Admitted) -> bool:
        return artifact.name in self.here

    def is_intact(self, artifact: Admitted) -> bool:
        if artifact.name not in self.damaged:
            return True
        self.damaged.remove(artifact.name)
        self.here.discard(artifact.name)
        return False

    async def discard(self, artifact: Admitted) -> None:
        await self.discarding.passed()
        self.here.discard(artifact.name)
        self.discarded.append(artifact.name)

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


@dataclass
class FakeWorkers:
    """Have in memory what they were asked for; all models are the pool's unless they are `own`."""

    failures: list[Exception] = field(default_factory=list)
    """What the next requests raise."""
    gate: Gate = field(default_factory=Gate)
    """Requests wait here for their answers, loads for their ends."""
    dropping: Gate = field(default_factory=Gate)
    """And here what is dropped."""
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    """Names and bodies."""
    terms: list[Terms] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    in_memory: dict[str, Admitted] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    """Names of models with workers of their own."""
    is_up: bool = True
    side_by_side: int = 3

    def as_workers(self) -> Workers:
        return cast("Workers", self)

    async def ask(
        self,
        artifact: Admitted,
        headers: Mapping[str, str],
        body: bytes,
        terms: Terms = PLAIN,
        timing: Timing | None = None,
    ) -> Answer:
        self.terms.append(terms)
        self.asked.append((artifact.name, body))
        was_there = artifact.name in self.in_memory
        await self._wait(artifact)
        load_s = 0.0 if was_there else 0.1
        if timing is not None:
            timing.load_s += load_s
        return Answer(200, dict(headers), artifact.version.encode(), load_s)

    async def load(self, artifact: Admitted) -> None:
        self.loads.append(artifact.name)
        await self._wait(artifact)

    async def drop(self, artifact: Admitted) -> None:
        await self.dropping.passed()
        self.dropped.append(artifact.name)
        self.in_memory.pop(artifact.name, None)

    async def evict_one(self) -> bool:
        """The one that came first."""
        for name in list(self.in_memory):
            del self.in_memory[name]
            return True
        return False

    async def is_ready(self, timeout_s: float) -> bool:
        assert timeout_s > 0
        return self.is_up

    def is_own(self, artifact: Admitted) -> bool:
        return artifact.name in self.own

    def resident(self) -> set[str]:
        return set(self.in_memory)

    def counts(self) -> WorkerCounts:
        return WorkerCounts(2, 0, 0, is_resting=False, in_flight=0, waiting=0)

    def what_is_missing(self) -> str:
        return "" if self.is_up else "no worker of the pool is up yet"

    def workers_of(self, name: str) -> int:
        return int(name in self.in_memory)

    def usage_of(self, name: str) -> Usage | None:
        artifact = self.in_memory.get(name)
        return None if artifact is None else Usage(artifact, load_s=0.123456, own_bytes=1000)

    async def _wait(self, artifact: Admitted) -> None:
        try:
            await self.gate.passed()
        except asyncio.CancelledError:
            self.cancelled.append(artifact.name)
            raise
        if self.failures:
            raise self.failures.pop(0)
        self.in_memory[artifact.name] = artifact
