"""Models below a store: a real store and disk cache, fake workers."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from mme.cache import AdmissionTerms, ArtifactCache, ExtractionLimits
from mme.core.errors import (
    ArtifactRejected,
    InvalidRequest,
    NoDiskSpace,
    StoreUnavailable,
    TargetNotFound,
)
from mme.core.settings import Settings
from mme.memory import MemoryBook, Reading, Watermarks
from mme.residency.store_catalog import StoreCatalog
from mme.residency.store_models import StoreModels
from mme.residency.views import State
from mme.store import open_store
from tests.support.archives import tar_gz
from tests.support.cached import admit
from tests.support.fake_engine import until
from tests.support.residency import FakeWorkers, Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

    from mme.cache import AdmissionJob
    from mme.core.artifact import Findings
    from mme.store import ArtifactRef, Store

A, B, C = "a.tar.gz", "b.tar.gz", "de/c.tar.gz"
LIMITS = ExtractionLimits(archive_bytes=10**6, unpacked_bytes=10**6, files=50)
TERMS = AdmissionTerms(memory_bytes=1, cpu_s=2, checks=True)


class Shelf:
    """A store in a folder that a test puts archives into; it may be out of order."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._store: Store = open_store(str(folder))
        self.uri = self._store.uri
        self.is_down = False
        self.is_read_only = False
        self.opened: list[str] = []
        self.listed = 0
        """How often a folder was."""
        self._puts = int(max((path.stat().st_mtime for path in folder.glob("*.tar.gz")), default=0))

    def put(self, target: str = A, size: int = 100) -> None:
        self.put_archive(target, tar_gz({"file": os.urandom(size)}))

    def put_archive(self, target: str, content: bytes) -> None:
        path = self._folder / target
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_name("fresh")
        fresh.write_bytes(content)
        self._puts += 1
        os.utime(fresh, (self._puts, self._puts))
        fresh.replace(path)

    def remove(self, target: str) -> None:
        (self._folder / target).unlink()

    def check(self) -> None:
        self.find(A)

    def find(self, target: str) -> ArtifactRef:
        if self.is_down:
            raise StoreUnavailable(target, "no route")
        return self._store.find(target)

    def open(self, ref: ArtifactRef) -> AbstractContextManager[BinaryIO]:
        self.opened.append(ref.target)
        return self._store.open(ref)

    def list(self, prefix: str = "", ending: str = ".tar.gz") -> Iterator[ArtifactRef]:
        return self._store.list(prefix, ending)

    def list_folder(self, folder: str, ending: str = ".tar.gz") -> Iterator[ArtifactRef]:
        self.listed += 1
        return self._store.list_folder(folder, ending)

    def list_after(self, after: str, prefix: str, limit: int) -> Sequence[ArtifactRef]:
        if self.is_down:
            raise StoreUnavailable(after, "no route")
        return self._store.list_after(after, prefix, limit)

    def replace(self, target: str, content: bytes, version: str | None) -> str:
        if self.is_read_only:
            raise StoreUnavailable(target, "read-only")
        return self._store.replace(target, content, version)


@dataclass
class Bench:
    """The models of a standalone endpoint, with what is around them."""

    root: Path
    shelf: Shelf
    workers: FakeWorkers
    cache: ArtifactCache
    models: StoreModels
    admission: Gate
    """Artifacts wait here to be admitted."""
    kinds: dict[str, str]
    """Target -> its family, if it is not the one of all others."""

    async def ask(self, target: str = A, body: bytes = b"x"):
        return await self.models.invoke(target, {}, body)

    def asking(self, target: str = A):
        return asyncio.create_task(self.ask(target))

    def on_disk(self) -> list[str]:
        """The targets whose artifacts are in the cache's folder."""
        found = (self.cache.lookup(each.name) for each in (self.root / "artifacts").iterdir())
        return sorted(each.target for each in found if each is not None)

    def page(self, after: str = "", limit: int = 10) -> tuple[list[tuple[str, State]], bool]:
        views, is_more = self.models.page(after, limit)
        return [(view.target, view.state) for view in views], is_more


@contextlib.asynccontextmanager
async def running(
    tmp_path: Path, *, store: Path | None = None, through: Any = None, **options: Any
) -> AsyncIterator[Bench]:
    """A store with two models; `pin`, `store_check_s` and so on as in the settings."""
    settings = Settings(**{"store_check_s": 1000.0, "failure_memory_s": 0.0} | options)
    shelf, workers, admission = Shelf(store or tmp_path / "store"), FakeWorkers(), Gate()
    kinds: dict[str, str] = {}
    shelf.put(A)
    shelf.put(B)

    async def admitted(job: AdmissionJob) -> Findings:
        await admission.passed()
        findings = await admit(job)
        kind = next((kind for target, kind in kinds.items() if job.uri.endswith(target)), "Test")
        return replace(findings, details={"family": kind})

    root = tmp_path / "cache"
    cache = ArtifactCache.open(root, LIMITS, TERMS, limit_bytes=settings.cache_limit_bytes)
    book = MemoryBook(
        Watermarks(settings.memory_high, settings.memory_low, settings.settle_s),
        lambda: Reading(1000, 0),
        lambda: Reading(1000, 0),
        pins=settings.pin,
    )
    fake = workers.as_workers()
    catalog = StoreCatalog(
        settings, store=shelf, cache=cache, admit=admitted, run=asyncio.to_thread, workers=fake
    )
    models = StoreModels(settings, catalog, cache, fake, book, through=through)
    try:
        yield Bench(root, shelf, workers, cache, models, admission, kinds)
    finally:
        await models.close()
        cache.close()


def version_here(bench: Bench) -> str | None:
    view = bench.models.here(A)
    return None if view is None else view.version


async def test_an_artifact_is_fetched_once_however_many_ask(tmp_path):
    async with running(tmp_path) as bench:
        answers = await asyncio.gather(*(bench.ask() for _ in range(10)))
        assert {answer.status for answer in answers} == {200}
        assert bench.shelf.opened == [A]


async def test_a_model_that_was_unloaded_comes_back_from_the_disk(tmp_path):
    async with running(tmp_path) as bench:
        await bench.ask()
        await bench.models.unload(A)
        assert bench.on_disk() == [A]
        assert (await bench.ask()).cold
        assert bench.shelf.opened == [A]


async def test_names_that_are_no_targets_are_refused_everywhere(tmp_path):
    async with running(tmp_path) as bench:
        for ask in (bench.ask, bench.models.load, bench.models.unload):
            with pytest.raises(InvalidRequest):
                await ask("../a.tar.gz")
        with pytest.raises(InvalidRequest):
            await bench.models.describe("../a.tar.gz")


async def test_what_is_not_in_the_store_is_not_found(tmp_path):
    async with running(tmp_path) as bench:
        with pytest.raises(TargetNotFound, match="no-such"):
            await bench.ask("no-such.tar.gz")
        assert bench.page() == ([], False)


async def test_an_artifact_that_is_refused_leaves_nothing(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(A, LIMITS.archive_bytes + 1)
        with pytest.raises(ArtifactRejected):
            await bench.ask()
        assert bench.on_disk() == []
        assert bench.page() == ([], False)


async def test_a_changed_object_is_fetched_and_the_former_version_leaves_the_disk(tmp_path):
    async with running(tmp_path, store_check_s=0.0) as bench:
        before = await bench.ask()
        bench.shelf.put(A)
        assert (await bench.ask()).body == before.body
        changed = bench.shelf.find(A)
        await until(lambda: version_here(bench) == changed.version)
        await until(lambda: len(list((bench.root / "artifacts").iterdir())) == 1)
        assert (await bench.ask()).body != before.body
        assert bench.on_disk() == [A]


async def test_a_version_that_serves_still_stays_on_the_disk_until_its_requests_have_ended(
    tmp_path,
):
    async with running(tmp_path, store_check_s=0.0) as bench:
        await bench.ask()
        bench.workers.gate.close()
        bench.shelf.put(A)
        request = bench.asking()
        await until(lambda: len(bench.on_disk()) == 2)
        assert bench.workers.dropped == []
        bench.workers.gate.open()
        await request
        await until(lambda: bench.on_disk() == [A])


async def test_an_object_that_was_removed_serves_on_until_it_is_unloaded(tmp_path):
    async with running(tmp_path, store_check_s=0.0) as bench:
        await bench.ask()
        bench.shelf.remove(A)
        for _ in range(3):
            assert (await bench.ask()).status == 200
        await bench.models.unload(A)
        with pytest.raises(TargetNotFound):
            await bench.ask()


async def test_while_the_store_does_not_answer_the_copy_on_disk_serves(tmp_path):
    async with running(tmp_path) as bench:
        await bench.ask()
        await bench.models.unload(A)
        bench.shelf.is_down = True
        assert (await bench.ask()).status == 200
        with pytest.raises(StoreUnavailable):
            await bench.ask(B)


async def test_within_the_limit_of_the_disk_what_is_in_memory_stays_as_long_as_it_fits(tmp_path):
    async with running(tmp_path, cache_limit_bytes=300_000) as bench:
        for target in (A, B, C):
            bench.shelf.put(target, 100_000)
            await bench.ask(target)
        # The one that came first has left memory and disk for the third.
        assert bench.on_disk() == [B, C]
        assert {each.target for each in bench.workers.in_memory.values()} == {B, C}


async def test_on_the_disk_what_is_not_in_memory_makes_room_first(tmp_path):
    async with running(tmp_path, cache_limit_bytes=300_000) as bench:
        for target in (A, B, C):
            bench.shelf.put(target, 100_000)
        await bench.ask(A)
        await bench.ask(B)
        await bench.models.unload(B)
        await bench.ask(C)
        assert bench.on_disk() == [A, C]
        assert {each.target for each in bench.workers.in_memory.values()} == {A, C}


async def test_where_no_model_may_leave_there_is_no_space(tmp_path):
    async with running(tmp_path, cache_limit_bytes=150_000) as bench:
        bench.shelf.put(A, 100_000)
        bench.shelf.put(B, 100_000)
        bench.workers.gate.close()
        request = bench.asking(A)  # under way, and so not in memory yet
        await until(lambda: bench.workers.asked)
        with pytest.raises(NoDiskSpace):
            await bench.ask(B)
        bench.workers.gate.open()
        assert (await request).status == 200
        assert bench.on_disk() == [A]


async def test_so_many_artifacts_are_brought_in_side_by_side_as_the_settings_say(tmp_path):
    async with running(tmp_path, parallel_loads=1) as bench:
        bench.admission.close()
        first, second = bench.asking(A), bench.asking(B)
        await bench.admission.reached.wait()
        assert bench.shelf.opened == [A]
        bench.admission.open()
        await asyncio.gather(first, second)
        assert bench.shelf.opened == [A, B]


async def test_a_model_passes_through_its_states(tmp_path):
    async with running(tmp_path) as bench:
        states = [(await bench.models.describe(A)).state]
        bench.admission.close()
        bench.workers.gate.close()
        request = bench.asking()
        await bench.admission.reached.wait()
        states.append((await bench.models.describe(A)).state)
        bench.admission.open()
        await until(lambda: bench.workers.asked)
        states.append((await bench.models.describe(A)).state)
        bench.workers.gate.open()
        await request
        states.append((await bench.models.describe(A)).state)
        await bench.models.unload(A)
        states.append((await bench.models.describe(A)).state)
        assert states == [
            State.IN_STORE, State.DOWNLOADING, State.LOADING, State.READY, State.ON_DISK,
        ]  # fmt: skip


async def test_a_new_version_on_its_way_does_not_hide_the_one_that_serves(tmp_path):
    async with running(tmp_path, store_check_s=0.0) as bench:
        await bench.ask()
        bench.shelf.put(A)
        bench.admission.close()
        await bench.ask()
        await bench.admission.reached.wait()
        assert (await bench.models.describe(A)).state is State.READY
        assert bench.page() == ([(A, State.READY)], False)


async def test_a_loaded_model_is_described_in_full(tmp_path):
    async with running(tmp_path, pin=("a*",)) as bench:
        loaded = await bench.models.load(A)
        await bench.ask()
        view = await bench.models.describe(A)
        assert (loaded.state, loaded.invocations) == (State.READY, 0)
        assert (view.state, view.in_flight, view.invocations) == (State.READY, 0, 1)
        assert (view.workers, view.own_bytes, view.load_s) == (1, 1000, 0.12346)
        assert view.pinned
        assert view.details == {"family": "Test"}
        assert view.version == bench.shelf.find(A).version
        assert view.archive_bytes == bench.shelf.find(A).size_bytes
        assert view.unpacked_bytes == 100
        assert view.fetched_at is not None
        assert view.loaded_at is not None
        assert view.last_used_at is not None
        assert view.fetched_at <= view.loaded_at <= view.last_used_at


async def test_pages_are_in_order_and_say_whether_more_follow(tmp_path):
    async with running(tmp_path) as bench:
        bench.shelf.put(C)
        for target in (C, A):
            await bench.ask(target)
        await bench.models.unload(C)
        bench.admission.close()
        request = bench.asking(B)
        await bench.admission.reached.wait()
        entire = [(A, State.READY), (B, State.DOWNLOADING), (C, State.ON_DISK)]
        assert bench.page() == (entire, False)
        assert bench.page(limit=3) == (entire, False)
        assert bench.page(limit=2) == (entire[:2], True)
        assert bench.page(after=A, limit=1) == (entire[1:2], True)
        assert bench.page(after=B) == (entire[2:], False)
        assert bench.page(after=C) == ([], False)
        bench.admission.open()
        await request


async def test_what_an_earlier_endpoint_left_on_the_disk_is_shown_and_used(tmp_path):
    async with running(tmp_path) as bench:
        await bench.ask()
        cache = bench.cache
        await bench.models.close()
        cache.close()
    (tmp_path / "store").rename(tmp_path / "former")
    async with running(tmp_path) as bench:
        assert bench.page() == ([(A, State.ON_DISK)], False)
        bench.shelf.is_down = True
        assert (await bench.ask()).cold
        assert bench.shelf.opened == []


async def test_it_is_ready_when_its_workers_are(tmp_path):
    async with running(tmp_path) as bench:
        assert await bench.models.is_ready(1.0)
        bench.workers.is_up = False
        assert not await bench.models.is_ready(1.0)
