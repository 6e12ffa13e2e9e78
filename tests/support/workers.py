"""The workers' room on a fake model server: everything real but Java, the forks and the memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mme.core.artifact import Admitted, Findings
from mme.core.names import model_name
from mme.core.settings import Settings
from mme.core.terms import PLAIN, Terms
from mme.memory import MemoryBook, Reading, Watermarks
from mme.workers.engine import Workers
from mme.workers.rhythm import Rhythm
from mme.workers.server import CurrentServer
from mme.workers.starting import WorkerStarter
from tests.support.fake_engine import until
from tests.support.fake_mms import FakeMms
from tests.support.fake_worker import Manner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mme.core.door import Answer

MIB = 1024 * 1024
QUICK = Rhythm(step_s=0.002, look_s=0.004, pressure_s=0.004)


class Skipping:
    """The clock, but hours may pass in an instant; or one on which only that passes."""

    def __init__(self, *, runs: bool = True) -> None:
        # From 0 on differences are exact; beside the machine's uptime they would be rounded.
        self._began_s = None if runs else 0.0
        self._skipped_s = 0.0

    def __call__(self) -> float:
        began_s = time.monotonic() if self._began_s is None else self._began_s
        return began_s + self._skipped_s

    def skip(self, seconds: float) -> None:
        self._skipped_s += seconds


@dataclass
class FakeTemplate:
    """A template that learns a pipeline when the test says so (`grow`)."""

    generation: int = 1
    known: dict[int, frozenset[str]] = field(default_factory=lambda: {1: frozenset()})
    in_vain: frozenset[str] = frozenset()
    wanted: set[str] = field(default_factory=set)

    async def is_up(self) -> None:
        return

    def pipelines(self, generation: int) -> frozenset[str]:
        return self.known.get(generation, frozenset())

    def learn(self, pipeline: str) -> bool:
        self.wanted.add(pipeline)
        return pipeline not in self.in_vain

    def grow(self, *pipelines: str) -> None:
        """The next generation is there."""
        self.generation += 1
        self.known[self.generation] = frozenset(pipelines)


@dataclass
class Memory:
    """What the endpoint finds when it looks at its memory and tasks."""

    bytes: Reading = field(default_factory=lambda: Reading(1000 * MIB, 0))
    tasks: Reading = field(default_factory=lambda: Reading(1 << 31, 0))
    worker_bytes: int = 50 * MIB


@dataclass
class Bench:
    """The workers under test and all that is around them."""

    root: Path
    settings: Settings
    workers: Workers
    mms: FakeMms
    server: CurrentServer
    template: FakeTemplate
    clock: Skipping
    memory: Memory
    book: MemoryBook

    def model(self, target: str = "m", version: str = "", **findings: Any) -> Admitted:
        """A model that has been admitted."""
        name = model_name(target, version)
        folder = self.root / "artifacts" / name
        folder.mkdir(parents=True, exist_ok=True)
        return Admitted(
            name, target, version, folder, folder / "mapped", 0, 0.0,
            Findings(**{"unpacked_bytes": MIB} | findings),
        )  # fmt: skip

    async def ask(self, model: Admitted, body: bytes = b"12345", terms: Terms = PLAIN) -> Answer:
        return await self.workers.ask(model, {"content-type": "text/plain"}, body, terms)

    def asking(self, model: Admitted, body: bytes = b"12345") -> asyncio.Task[Answer]:
        return asyncio.create_task(self.ask(model, body))

    async def held(self, model: Admitted, body: bytes = b"12345") -> asyncio.Task[Answer]:
        """A request that a worker has read and does not answer before `let_go`."""
        self.mms.manners[model.name] = Manner.HANG
        asking = self.asking(model, body)
        await until(lambda: any(worker.reading.is_set() for worker in self.mms.workers))
        return asking

    def let_go(self) -> None:
        """Workers that hang answer, and no other hangs."""
        self.mms.manners.clear()
        for worker in self.mms.workers:
            worker.let_go.set()

    async def until_there_are(self, count: int) -> None:
        """Return when there are so many workers, in the model server and here."""
        await until(lambda: len(self.mms.workers) == len(self.workers._live) == count)

    def folders(self) -> list[str]:
        """The names of the folders that workers were ordered for, one after the other."""
        return [folder.rpartition("/")[2] for _, folder in self.mms.orders]


@contextlib.asynccontextmanager
async def running_workers(
    root: Path, *, refuses_unfitting: bool = False, time_passes: bool = True, **settings: Any
) -> AsyncIterator[Bench]:
    """Workers with a model server; the pool, if there is one, is whole.

    Where no time passes every model is quick, until the test skips some.
    """
    chosen = Settings(**{"pool_min": 1, "pool_max": 1, "settle_s": 0.0} | settings)
    clock, memory = Skipping(runs=time_passes), Memory()
    template, server = FakeTemplate(), CurrentServer()
    doors, pool_dir = root / "doors", root / "pool"
    for folder in (doors, pool_dir):
        folder.mkdir()
    book = MemoryBook(
        Watermarks(chosen.memory_high, chosen.memory_low, chosen.settle_s),
        lambda: memory.bytes,
        lambda: memory.tasks,
        policy=chosen.eviction,
        pins=chosen.pin,
        clock=clock,
        process_bytes=lambda *_: memory.worker_bytes,
    )
    async with FakeMms(root / "mms", doors) as mms:
        server.attach(mms.as_server())
        workers = Workers(
            chosen,
            server=server,
            starter=WorkerStarter(server, doors, template, timeout_s=chosen.load_timeout_s),
            template=template,
            book=book,
            pool_dir=pool_dir,
            refuses_unfitting=refuses_unfitting,
            clock=clock,
            rhythm=QUICK,
        )
        bench = Bench(root, chosen, workers, mms, server, template, clock, memory, book)
        try:
            await bench.until_there_are(workers._groups.fewest)
            yield bench
        finally:
            await workers.close()
