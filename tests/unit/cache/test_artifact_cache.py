"""The disk cache: an artifact is there whole, or not at all, across failures and restarts."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys

import pytest

from mme.cache import CacheInUse
from mme.core.errors import (
    ArtifactRejected,
    LoadFailed,
    NoDiskSpace,
    StoreUnavailable,
    TargetNotFound,
)
from tests.support.cached import (
    LIMITS,
    SlowStore,
    admit,
    inside,
    opened,
)
from tests.support.endpoint import PROJECT


async def test_a_fetched_artifact_is_admitted_with_its_sizes_and_time(shelf, root):
    name, ref = shelf.put()
    with opened(root, clock=lambda: 123.0) as cache:
        found = await cache.fetch(name, ref, shelf.store, admit)
        assert (found.model_dir / "file").read_bytes() == b"content"
        assert (found.target, found.version, found.admitted_at) == ("a.tar.gz", ref.version, 123.0)
        assert (found.archive_bytes, found.findings.unpacked_bytes) == (ref.size_bytes, 7)
        assert found.findings.details == {"family": "Test"}
        assert cache.lookup(name) == cache.latest("a.tar.gz") == found
        assert cache.page("", 9) == [found]
        assert cache.count() == 1
        assert inside(found.model_dir.parent) == ["entry.json", "mapped", "model"]


async def test_an_admission_is_told_what_it_needs_to_know(shelf, root):
    name, ref = shelf.put("de.tar.gz")
    jobs = []

    async def noted(job):
        jobs.append(job)
        return await admit(job)

    with opened(root) as cache:
        await cache.fetch(name, ref, shelf.store, noted)
    (job,) = jobs
    assert (job.target, job.uri, job.limits) == ("de.tar.gz", ref.uri, LIMITS)
    assert (job.memory_bytes, job.cpu_s, job.checks) == (1, 2, True)
    assert {job.archive.parent, job.model_dir.parent, job.scratch_dir.parent} == {
        job.archive.parent
    }


async def test_artifacts_survive_a_restart(shelf, root):
    name, ref = shelf.put()
    with opened(root) as cache:
        found = await cache.fetch(name, ref, shelf.store, admit)
    with opened(root) as cache:
        assert cache.lookup(name) == found
        assert cache.page("", 9) == [found]


async def test_a_cache_folder_that_somebody_removed_is_made_again(shelf, root):
    name, ref = shelf.put()
    with opened(root) as cache:
        await cache.fetch(name, ref, shelf.store, admit)
        shutil.rmtree(root)
        found = await cache.fetch(name, ref, shelf.store, admit)
        assert found.model_dir.is_dir()
        assert inside(root / "partial") == []


async def test_what_is_there_is_not_fetched_again(shelf, root):
    name, ref = shelf.put()

    async def never(job):
        pytest.fail("it was admitted again")

    with opened(root) as cache:
        found = await cache.fetch(name, ref, shelf.store, admit)
        assert await cache.fetch(name, ref, shelf.store, never) == found


@pytest.mark.parametrize(
    "error",
    [ArtifactRejected("x", "bad"), LoadFailed("x", 400, "{}"), NoDiskSpace("x", "y"), OSError(5)],
)
async def test_a_failed_admission_leaves_nothing(shelf, root, error):
    name, ref = shelf.put()

    async def fails(job):
        (job.model_dir / "half").write_text("x")
        raise error

    with opened(root) as cache:
        with pytest.raises(type(error)):
            await cache.fetch(name, ref, shelf.store, fails)
        assert cache.lookup(name) is None
        assert [inside(root / folder) for folder in ("partial", "artifacts", "leaving")] == [[]] * 3


async def test_an_artifact_gone_from_the_store_meanwhile_leaves_nothing(shelf, root):
    name, ref = shelf.put()
    (shelf.folder / "a.tar.gz").unlink()
    with opened(root) as cache:
        with pytest.raises(TargetNotFound):
            await cache.fetch(name, ref, shelf.store, admit)
        assert inside(root / "partial") == []


async def test_a_cancelled_fetch_leaves_nothing(shelf, root):
    name, ref = shelf.put()
    reached = asyncio.Event()

    async def hangs(job):
        (job.model_dir / "half").write_text("x")
        reached.set()
        await asyncio.Event().wait()

    with opened(root) as cache:
        task = asyncio.create_task(cache.fetch(name, ref, shelf.store, hangs))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cache.lookup(name) is None
        assert [inside(root / folder) for folder in ("partial", "leaving")] == [[], []]
        await cache.fetch(name, ref, shelf.store, admit)


async def test_a_cancelled_download_ends_with_its_next_chunk(shelf, root):
    name, ref = shelf.put()
    store = SlowStore(ref)
    with opened(root) as cache:
        task = asyncio.create_task(cache.fetch(name, ref, store, admit))
        assert await asyncio.to_thread(store.is_read.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        store.may_go_on.set()
        assert await asyncio.to_thread(store.is_done.wait, 10)
        assert inside(root / "partial") == []


@pytest.mark.hostile("surroundings")
async def test_a_download_of_another_length_than_announced_is_an_error(shelf, root):
    name, ref = shelf.put()
    chunks = iter([b"short", b""])

    class ShortStore(SlowStore):
        def read(self, size):
            return next(chunks)

    with opened(root) as cache:
        with pytest.raises(StoreUnavailable, match=f"5 of {ref.size_bytes} bytes"):
            await cache.fetch(name, ref, ShortStore(ref), admit)
        assert inside(root / "partial") == []


async def test_the_same_name_fetched_twice_at_once_is_whole(shelf, root):
    name, ref = shelf.put()
    with opened(root) as cache:
        fetches = [cache.fetch(name, ref, shelf.store, admit) for _ in range(4)]
        found = await asyncio.gather(*fetches)
        assert (found[0].model_dir / "file").read_bytes() == b"content"
        assert cache.count() == 1
        assert [inside(root / folder) for folder in ("partial", "leaving")] == [[], []]


async def test_a_discarded_artifact_is_gone_and_can_be_fetched_again(shelf, root):
    name, ref = shelf.put()
    with opened(root) as cache:
        await cache.fetch(name, ref, shelf.store, admit)
        await cache.discard(name)
        await cache.discard(name)
        assert (cache.lookup(name), cache.latest("a.tar.gz"), cache.count()) == (None, None, 0)
        assert [inside(root / folder) for folder in ("artifacts", "leaving")] == [[], []]
        assert (await cache.fetch(name, ref, shelf.store, admit)).model_dir.is_dir()


async def test_a_folder_somebody_removed_is_not_found(shelf, root):
    name, ref = shelf.put()
    with opened(root) as cache:
        found = await cache.fetch(name, ref, shelf.store, admit)
        found.model_dir.parent.rename(root / "elsewhere")
        assert cache.lookup(name) is None
        assert cache.count() == 0
        assert (await cache.fetch(name, ref, shelf.store, admit)).model_dir.is_dir()


@pytest.mark.parametrize("name", ["", ".", "..", "../artifacts", "a/b", "x" * 32, "\0", "A" * 32])
async def test_a_name_that_is_none_is_not_looked_for(root, name):
    with opened(root) as cache:
        assert cache.lookup(name) is None
        await cache.discard(name)
        assert inside(root / "artifacts") == []


@pytest.mark.hostile("surroundings")
def test_a_second_process_is_told_which_has_the_cache(root):
    script = (
        "import sys; from pathlib import Path; from mme.cache import *;"
        "ArtifactCache.open(Path(sys.argv[1]), ExtractionLimits(1, 1, 1),"
        " AdmissionTerms(1, 1, False)); print('up', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(root)],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        with pytest.raises(CacheInUse, match=f"pid {other.pid}"), opened(root):
            pass
        other.kill()
    with opened(root):
        pass
