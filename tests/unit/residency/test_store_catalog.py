"""A store that misbehaves: what is tried again, what serves on, and what the log says of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading

import pytest

from mme.cache import AdmissionTerms, ArtifactCache, ExtractionLimits
from mme.core.errors import ArtifactRejected, StoreUnavailable, TargetNotFound
from mme.core.settings import Settings
from mme.residency import store_catalog
from mme.residency.store_catalog import TRIES, StoreCatalog
from mme.store import TargetDenied, open_store
from tests.support.archives import tar_gz
from tests.support.cached import admit
from tests.support.fake_engine import until
from tests.support.residency import FakeWorkers

pytestmark = pytest.mark.hostile("stores")

A = "a.tar.gz"
LIMITS = ExtractionLimits(archive_bytes=10**6, unpacked_bytes=10**6, files=50)
TERMS = AdmissionTerms(memory_bytes=1, cpu_s=2, checks=True)
DOWN = StoreUnavailable("/store/a.tar.gz", "no route")


class Shelf:
    """A store in a folder; what is in `faults` is raised once each, by the first find or read."""

    def __init__(self, folder):
        folder.mkdir()
        self._folder = folder
        self._store = open_store(str(folder))
        self.uri = self._store.uri
        self.find_faults = []
        self.read_faults = []
        self.found = 0
        self.hangs = threading.Event()
        self.hangs.set()

    def put(self, content=b"x"):
        fresh = self._folder / "fresh"
        fresh.write_bytes(tar_gz({"file": content}))
        fresh.replace(self._folder / A)

    def check(self):
        assert self.hangs.wait(30)
        if self.find_faults:
            raise self.find_faults.pop(0)

    def find(self, target):
        self.found += 1
        if self.find_faults:
            raise self.find_faults.pop(0)
        return self._store.find(target)

    @contextlib.contextmanager
    def open(self, ref):
        if self.read_faults:
            fault = self.read_faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            fault()
        with self._store.open(ref) as source:
            yield source

    def list(self, prefix="", ending=".tar.gz"):
        return self._store.list(prefix, ending)


@pytest.fixture
def shelf(tmp_path):
    shelf = Shelf(tmp_path / "store")
    shelf.put()
    return shelf


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(store_catalog, "FIRST_PAUSE_S", 0.0)


@contextlib.asynccontextmanager
async def catalog_of(shelf, tmp_path, **options):
    cache = ArtifactCache.open(tmp_path / "cache", LIMITS, TERMS)
    catalog = StoreCatalog(
        Settings(**options),
        store=shelf,
        cache=cache,
        admit=admit,
        run=asyncio.to_thread,
        workers=FakeWorkers().as_workers(),
    )
    try:
        yield catalog
    finally:
        await catalog.close()
        cache.close()


@pytest.mark.parametrize("times", [1, TRIES - 1])
async def test_what_did_not_come_whole_is_fetched_again(shelf, tmp_path, times):
    async with catalog_of(shelf, tmp_path) as catalog:
        shelf.read_faults = [DOWN.anew() for _ in range(times)]
        assert (await catalog.bring(A)).target == A
        assert shelf.found == times + 1


async def test_an_artifact_that_changes_between_the_look_and_the_download_is_looked_for_anew(
    shelf, tmp_path
):
    async with catalog_of(shelf, tmp_path) as catalog:
        shelf.read_faults = [lambda: shelf.put(b"another")]
        brought = await catalog.bring(A)
        assert (brought.model_dir / "file").read_bytes() == b"another"


async def test_after_some_tries_the_store_is_at_fault_and_nothing_is_left(shelf, tmp_path):
    async with catalog_of(shelf, tmp_path) as catalog:
        shelf.read_faults = [DOWN.anew() for _ in range(100)]
        with pytest.raises(StoreUnavailable, match="no route"):
            await catalog.bring(A)
        assert len(shelf.read_faults) == 100 - TRIES
        for folder in ("artifacts", "partial", "leaving"):
            assert list((tmp_path / "cache" / folder).iterdir()) == []


async def test_nothing_is_tried_again_behind_the_deadline(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(store_catalog, "FIRST_PAUSE_S", 1000.0)
    async with catalog_of(shelf, tmp_path, ready_timeout_s=999.0) as catalog:
        shelf.read_faults = [DOWN.anew()]
        with pytest.raises(StoreUnavailable):
            await catalog.bring(A)
        assert shelf.found == 1


@pytest.mark.parametrize(
    "fault",
    [DOWN, TargetDenied(A, "/store/a.tar.gz", "access is denied")],
    ids=["does not answer", "denied"],
)
async def test_what_was_fetched_before_serves_on_where_the_store_does_not_say(
    shelf, tmp_path, caplog, fault
):
    async with catalog_of(shelf, tmp_path) as catalog:
        first = await catalog.bring(A)
        shelf.find_faults = [fault]
        with caplog.at_level(logging.WARNING):
            assert await catalog.bring(A) == first
        assert fault.message in caplog.text


async def test_what_was_fetched_before_serves_on_where_the_new_version_does_not_come(
    shelf, tmp_path
):
    async with catalog_of(shelf, tmp_path) as catalog:
        first = await catalog.bring(A)
        shelf.put(b"another")
        shelf.read_faults = [DOWN.anew() for _ in range(TRIES)]
        assert await catalog.bring(A) == first
        assert (await catalog.bring(A)).version != first.version


async def test_what_is_missing_does_not_serve_on(shelf, tmp_path):
    async with catalog_of(shelf, tmp_path) as catalog:
        await catalog.bring(A)
        shelf.find_faults = [TargetNotFound(A, "/store/a.tar.gz")]
        with pytest.raises(TargetNotFound):
            await catalog.bring(A)


async def test_a_store_that_stays_away_is_warned_of_now_and_then(shelf, tmp_path, caplog):
    async with catalog_of(shelf, tmp_path) as catalog:
        artifact = await catalog.bring(A)
        with caplog.at_level(logging.WARNING):
            for _ in range(20):
                shelf.find_faults = [DOWN.anew()]
                with pytest.raises(StoreUnavailable):
                    await catalog.has_changed(artifact)
        assert caplog.text.count("serves on from the copy on disk") == 1


async def test_the_log_says_at_the_start_what_is_wrong_with_the_store(shelf, tmp_path, caplog):
    async with catalog_of(shelf, tmp_path) as catalog:
        shelf.find_faults = [DOWN.anew()]
        catalog.check_in_background()
        with caplog.at_level(logging.WARNING):
            await until(lambda: "no route" in caplog.text)


async def test_a_store_that_hangs_is_told_of_and_does_not_hold_up(
    shelf, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(store_catalog, "CHECK_S", 0.01)
    shelf.hangs.clear()
    async with catalog_of(shelf, tmp_path) as catalog:
        catalog.check_in_background()
        with caplog.at_level(logging.WARNING):
            await until(lambda: "has not answered" in caplog.text)
        assert (await catalog.bring(A)).target == A
        shelf.hangs.set()


async def test_a_version_that_was_refused_is_not_looked_at_again_but_another_one_is(
    shelf, tmp_path
):
    async with catalog_of(shelf, tmp_path) as catalog:
        reads = []
        shelf.read_faults = [ArtifactRejected("/store/a.tar.gz", "odd")]
        for _ in range(3):
            with pytest.raises(ArtifactRejected, match="odd") as error:
                await catalog.bring(A)
            reads.append(error.value)
        assert len({id(each) for each in reads}) == 3
        assert shelf.found == 3
        shelf.put(b"mended")
        assert (await catalog.bring(A)).target == A
