"""The disk cache: a limit, a full disk, and what makes room."""

from __future__ import annotations

import errno
import os

import pytest

from mme.core.artifact import Findings
from mme.core.errors import (
    ArtifactRejected,
    NoDiskSpace,
)
from tests.support.archives import tar_gz
from tests.support.cached import SlowStore, admit, inside, opened, upkept


def none_in_use(_name):
    return False


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
