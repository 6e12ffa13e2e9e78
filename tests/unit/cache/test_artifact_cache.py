"""The disk cache: whole or not there, across failures, restarts and strange remains."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import shutil
import subprocess
import sys
import threading

import pytest

from mme.cache import AdmissionTerms, ArtifactCache, CacheInUse, ExtractionLimits
from mme.core.artifact import Findings
from mme.core.errors import (
    ArtifactRejected,
    LoadFailed,
    NoDiskSpace,
    StoreUnavailable,
    TargetNotFound,
)
from tests.support.archives import tar_gz
from tests.support.cached import admit, put_artifacts
from tests.support.endpoint import PROJECT

LIMITS = ExtractionLimits(archive_bytes=10**6, unpacked_bytes=10**6, files=50)
TERMS = AdmissionTerms(memory_bytes=1, cpu_s=2, checks=True)


@contextlib.contextmanager
def opened(root, **options):
    cache = ArtifactCache.open(root, LIMITS, TERMS, **options)
    try:
        yield cache
    finally:
        cache.close()


async def upkept(cache):
    """Let one round of upkeep come to its end."""
    done = asyncio.Event()

    async def pause():
        done.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(cache.upkeep(pause))
    waiting = asyncio.create_task(done.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def inside(folder):
    return sorted(path.name for path in folder.iterdir())


def aside(root):
    return sorted(path.name for path in root.glob("aside-*"))


def none_in_use(_name):
    return False


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


class SlowStore:
    """A store whose second chunk comes when a test says so."""

    def __init__(self, ref):
        self.ref = ref
        self.is_read, self.may_go_on, self.is_done = (threading.Event() for _ in range(3))

    @contextlib.contextmanager
    def open(self, ref):
        try:
            yield self
        finally:
            self.is_done.set()

    def read(self, size):
        if self.is_read.is_set():
            assert self.may_go_on.wait(10)
        self.is_read.set()
        return bytes(10)


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


# What an end in between leaves


@pytest.mark.hostile("surroundings")
async def test_what_was_being_fetched_at_the_end_is_removed(root):
    half = root / "partial" / "abc" / "model"
    half.mkdir(parents=True)
    (half / "file").write_text("x")
    (root / "leaving" / "def").mkdir(parents=True)
    with opened(root) as cache:
        assert inside(root / "partial") == []
        await upkept(cache)
        assert inside(root / "leaving") == []
        assert aside(root) == []


async def test_a_folder_the_index_does_not_know_is_found(root):
    with opened(root):
        pass
    (entry,) = put_artifacts(root, 1)
    with opened(root) as cache:
        assert cache.count() == 0
        assert cache.lookup(entry.artifact.name) == entry.artifact
        assert cache.count() == 1


async def test_upkeep_makes_index_and_folders_agree(root):
    with opened(root) as cache:
        first, second = put_artifacts(root, 2)
        await upkept(cache)
        assert cache.page("", 9) == [first.artifact, second.artifact]
        first.artifact.model_dir.parent.rename(root / "elsewhere")
        (third,) = put_artifacts(root, 1, first=2)
        await upkept(cache)
        assert cache.page("", 9) == [second.artifact, third.artifact]


@pytest.mark.hostile("surroundings")
async def test_a_broken_folder_is_removed_and_its_name_can_be_fetched(shelf, root):
    name, ref = shelf.put()
    with opened(root) as cache:
        found = await cache.fetch(name, ref, shelf.store, admit)
        (found.model_dir.parent / "entry.json").write_text('{"name":')
    (root / "index.db").write_bytes(b"damaged")
    with opened(root) as cache:
        assert cache.lookup(name) is None
        assert (await cache.fetch(name, ref, shelf.store, admit)).model_dir.is_dir()
        assert aside(root) == []
        (found.model_dir.parent / "entry.json").write_text('{"name":')
    (root / "index.db").write_bytes(b"damaged")
    with opened(root) as cache:
        await upkept(cache)
        assert [inside(root / folder) for folder in ("artifacts", "leaving")] == [[], []]


async def test_of_two_versions_left_by_an_end_in_between_the_later_stays(shelf, root):
    times = itertools.count(1.0)
    with opened(root, clock=lambda: next(times)) as cache:
        old, old_ref = shelf.put()
        await cache.fetch(old, old_ref, shelf.store, admit)
        new, new_ref = shelf.put(content=tar_gz({"file": b"newer"}))
        await cache.fetch(new, new_ref, shelf.store, admit)
        assert (cache.lookup(old) is None, cache.lookup(new) is None) == (False, False)
        assert cache.latest("a.tar.gz") == cache.lookup(new)
        assert cache.page("", 9) == [cache.lookup(new)]
        assert cache.others("a.tar.gz", new) == [old]
    assert inside(root / "artifacts") == [new]
    with opened(root) as cache:
        assert cache.lookup(old) is None


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize("damage", [b"", b"no database", bytes(100_000)])
async def test_a_damaged_index_is_filled_again_beside_the_work(root, damage):
    with opened(root) as cache:
        entries = list(put_artifacts(root, 250))
        await upkept(cache)
    (root / "index.db").write_bytes(damage)
    with opened(root) as cache:
        assert cache.lookup(entries[7].artifact.name) == entries[7].artifact
        await upkept(cache)
        assert cache.count() == 250
        assert cache.page("", 250) == [entry.artifact for entry in entries]


def fill_place(place, kind, tmp_path):
    """Put something there that has no business there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        place.write_text("x")
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "link":
        (tmp_path / "outside").mkdir(exist_ok=True)
        place.symlink_to(tmp_path / "outside")
    elif kind == "dangling":
        place.symlink_to(tmp_path / "nowhere")
    else:
        (place / "folder" / "inner").mkdir(parents=True)


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize("kind", ["file", "fifo", "link", "dangling", "folder"])
@pytest.mark.parametrize(
    "place",
    ["lock", "index.db", "index.db-wal", "index.db-shm", "artifacts", "partial", "leaving"],
)
async def test_whatever_lies_in_the_folder_the_cache_starts_and_works(
    shelf, root, tmp_path, place, kind
):
    fill_place(root / place, kind, tmp_path)
    name, ref = shelf.put()
    with opened(root) as cache:
        await upkept(cache)
        found = await cache.fetch(name, ref, shelf.store, admit)
        await upkept(cache)
        assert cache.page("", 9) == [found]
    with opened(root) as cache:
        assert cache.lookup(name) == found
    if (tmp_path / "outside").exists():
        assert inside(tmp_path / "outside") == []


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize("kind", ["file", "fifo", "link", "dangling", "folder"])
async def test_what_lies_where_an_artifact_belongs_is_cleared_away(shelf, root, tmp_path, kind):
    name, ref = shelf.put()
    fill_place(root / "artifacts" / name, kind, tmp_path)
    with opened(root) as cache:
        assert cache.lookup(name) is None
        assert (await cache.fetch(name, ref, shelf.store, admit)).model_dir.is_dir()
        assert len(aside(root)) == (0 if kind == "folder" else 1)


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize("kind", ["file", "fifo", "link", "dangling", "folder"])
async def test_strangers_among_the_artifacts_are_set_aside(root, tmp_path, kind):
    names = ["stranger", os.fsdecode(b"\xff\xfe"), "n" * 200]
    for name in names:
        fill_place(root / "artifacts" / name, kind, tmp_path)
    (entry,) = put_artifacts(root, 1)
    with opened(root) as cache:
        await upkept(cache)
        assert inside(root / "artifacts") == [entry.artifact.name]
        assert len(aside(root)) == len(names)


@pytest.mark.hostile("surroundings")
async def test_deep_and_forbidding_remains_do_not_stop_upkeep(root):
    deep = root / "partial"
    deep.mkdir(parents=True)
    here = os.open(deep, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    broken = root / "artifacts" / ("b" * 32)
    (broken / "inner").mkdir(parents=True)
    os.mkfifo(broken / "entry.json")
    (broken / "inner").chmod(0)
    (entry,) = put_artifacts(root, 1)
    with opened(root) as cache:
        await upkept(cache)
        assert cache.page("", 9) == [entry.artifact]
        assert [inside(root / folder) for folder in ("partial", "leaving")] == [[], []]
        assert inside(root / "artifacts") == [entry.artifact.name]


async def test_a_cache_of_thousands_starts_and_answers_in_pages(root):
    with opened(root) as cache:
        entries = list(put_artifacts(root, 2000))
        await upkept(cache)
    reads = []

    async def run(work):
        reads.append(work)
        return work()

    with opened(root, run=run) as cache:
        assert reads == []  # nothing was gone through
        assert cache.count() == 2000
        seen, after = [], ""
        while page := cache.page(after, 300):
            seen += page
            after = page[-1].target
        assert seen == [entry.artifact for entry in entries]
        assert cache.lookup(entries[1234].artifact.name) == entries[1234].artifact


# The limit


async def put_three(shelf, cache, clock):
    names = []
    for n in range(3):
        clock.append(100.0 + n)
        name, ref = shelf.put(f"a{n}.tar.gz", tar_gz({"file": bytes(100_000)}))
        await cache.fetch(name, ref, shelf.store, admit)
        names.append(name)
    return names


async def test_what_was_wanted_longest_ago_makes_room(shelf, root):
    clock = [0.0]
    with opened(root, clock=lambda: clock[-1], limit_bytes=450_000) as cache:
        first, second, third = await put_three(shelf, cache, clock)
        clock.append(200.0)
        cache.used(first)
        for _ in range(2):  # there is room for one of them
            name, ref = shelf.put(f"{len(clock)}.tar.gz", tar_gz({"file": bytes(100_000)}))
            await cache.fetch(name, ref, shelf.store, admit, none_in_use)
            clock.append(clock[-1] + 1.0)
            assert cache.count() == 4
        assert cache.lookup(second) is None
        assert cache.lookup(first) is not None
        assert cache.lookup(third) is not None


async def test_notes_of_use_outlive_the_endpoint(shelf, root):
    clock = [0.0]
    with opened(root, clock=lambda: clock[-1]) as cache:
        first, second, third = await put_three(shelf, cache, clock)
        clock.append(200.0)
        cache.used(first)
    with opened(root) as cache:
        assert await cache.drop_one(none_in_use)
        assert [cache.lookup(name) is None for name in (first, second, third)] == [0, 1, 0]


async def test_nothing_goes_while_it_is_in_use(shelf, root):
    clock = [0.0]
    with opened(root, clock=lambda: clock[-1], limit_bytes=400_000) as cache:
        names = await put_three(shelf, cache, clock)
        name, ref = shelf.put("b.tar.gz", tar_gz({"file": bytes(150_000)}))
        await cache.fetch(name, ref, shelf.store, admit, lambda name: name == names[0])
        assert [cache.lookup(each) is None for each in names] == [0, 1, 0]


async def test_a_limit_that_was_lowered_is_met_with_the_next_fetch(shelf, root):
    clock = [0.0]
    with opened(root, clock=lambda: clock[-1]) as cache:
        names = await put_three(shelf, cache, clock)
    with opened(root, limit_bytes=250_000) as cache:
        name, ref = shelf.put("b.tar.gz", tar_gz({"file": bytes(100_000)}))
        await cache.fetch(name, ref, shelf.store, admit, lambda name: name == names[1])
        assert [cache.lookup(each) is None for each in names] == [1, 0, 1]


async def test_a_fetch_makes_room_for_what_it_brings(shelf, root):
    clock = [0.0]
    with opened(root, clock=lambda: clock[-1], limit_bytes=350_000) as cache:
        names = await put_three(shelf, cache, clock)
        name, ref = shelf.put("b.tar.gz", tar_gz({"file": bytes(150_000)}))
        with pytest.raises(NoDiskSpace, match="MME_CACHE_LIMIT_BYTES"):
            await cache.fetch(name, ref, shelf.store, admit, lambda _: True)
        assert cache.count() == 3
        await cache.fetch(name, ref, shelf.store, admit, none_in_use)
        assert [cache.lookup(each) is None for each in names] == [1, 1, 0]


async def test_an_artifact_larger_than_the_whole_cache_drives_nothing_out(shelf, root):
    clock = [0.0]
    with opened(root, clock=lambda: clock[-1], limit_bytes=350_000) as cache:
        await put_three(shelf, cache, clock)
        name, ref = shelf.put("packed.tar.gz", tar_gz({"file": bytes(400_000)}))
        with pytest.raises(ArtifactRejected, match="the whole cache may take 350000"):
            await cache.fetch(name, ref, shelf.store, admit, none_in_use)
        name, ref = shelf.put("large.tar.gz", tar_gz({"file": os.urandom(400_000)}))
        (shelf.folder / "large.tar.gz").unlink()  # it is not even asked for
        with pytest.raises(ArtifactRejected, match="larger than 350000 bytes"):
            await cache.fetch(name, ref, shelf.store, admit, none_in_use)
        assert cache.count() == 3


async def test_what_the_converted_form_takes_counts(shelf, root):
    async def converts(job):
        (job.scratch_dir / "x.mapped").write_bytes(bytes(500_000))
        return await admit(job)

    name, ref = shelf.put()
    with opened(root, limit_bytes=400_000) as cache:
        with pytest.raises(ArtifactRejected, match="on disk"):
            await cache.fetch(name, ref, shelf.store, converts)
        assert inside(root / "partial") == []


@pytest.mark.hostile("surroundings")
async def test_a_full_disk_is_relieved_of_what_is_not_in_use(shelf, root):
    clock = [0.0]
    with opened(root, clock=lambda: clock[-1]) as cache:
        names = await put_three(shelf, cache, clock)

        async def fills(job):
            if cache.count() > 1:
                raise NoDiskSpace("/cache", job.uri)
            return await admit(job)

        name, ref = shelf.put("b.tar.gz")
        with pytest.raises(NoDiskSpace):
            await cache.fetch(name, ref, shelf.store, fills)
        with pytest.raises(NoDiskSpace):
            await cache.fetch(name, ref, shelf.store, fills, lambda _: True)
        assert cache.count() == 3
        await cache.fetch(name, ref, shelf.store, fills, none_in_use)
        assert [cache.lookup(each) is None for each in names] == [1, 1, 0]
        assert inside(root / "partial") == []


@pytest.mark.hostile("surroundings")
async def test_a_disk_too_full_to_download_to_is_named(shelf, root):
    name, ref = shelf.put()

    class FullStore(SlowStore):
        def read(self, size):
            raise OSError(errno.ENOSPC, "full")

    with opened(root) as cache, pytest.raises(NoDiskSpace, match="the cache's folder") as error:
        await cache.fetch(name, ref, FullStore(ref), admit)
    assert error.value.folder == str(root)


async def test_the_one_wanted_longest_ago_can_be_dropped(shelf, root):
    clock = [0.0]
    with opened(root, clock=lambda: clock[-1]) as cache:
        names = await put_three(shelf, cache, clock)
        assert await cache.drop_one(lambda name: name == names[0])
        assert [cache.lookup(each) is None for each in names] == [0, 1, 0]
        assert not await cache.drop_one(lambda _: True)


async def test_what_is_being_fetched_is_left_alone(shelf, root):
    name, ref = shelf.put()

    async def looked_after(job):
        await upkept(cache)
        assert not await cache.drop_one(none_in_use)
        return await admit(job)

    with opened(root) as cache:
        assert (await cache.fetch(name, ref, shelf.store, looked_after)).model_dir.is_dir()
        assert cache.lookup(name).findings == Findings(7, details={"family": "Test"})
