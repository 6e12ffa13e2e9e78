"""The disk cache: what an end in between has left, and whatever else lies in its folder."""

from __future__ import annotations

import itertools
import os

import pytest

from tests.support.archives import tar_gz
from tests.support.cached import admit, aside, inside, opened, put_artifacts, upkept


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


@pytest.mark.parametrize("before", ["s3://ours/", ""], ids=["the same store", "nobody knows"])
async def test_what_came_from_this_store_stays(root, before):
    with opened(root, store_uri=before):
        (entry,) = put_artifacts(root, 1)
    with opened(root, store_uri="s3://ours/") as cache:
        assert cache.lookup(entry.artifact.name) == entry.artifact
        assert (root / "store").read_bytes() == b"s3://ours/"


async def test_what_came_from_another_store_goes_for_its_names_are_others_there(
    root, shelf, caplog
):
    name, ref = shelf.put()
    with opened(root, store_uri="s3://theirs/") as cache:
        await cache.fetch(name, ref, shelf.store, admit)
    with opened(root, store_uri="s3://ours/") as cache:
        assert (cache.lookup(name), cache.page("", 9)) == (None, [])
        assert "came from the store 's3://theirs/'" in caplog.text
        await upkept(cache)
        assert [inside(root / folder) for folder in ("artifacts", "leaving")] == [[], []]
        assert (await cache.fetch(name, ref, shelf.store, admit)).model_dir.is_dir()
    with opened(root, store_uri="s3://ours/") as cache:
        assert cache.latest("a.tar.gz") is not None


async def test_what_lies_where_the_store_is_noted_is_set_aside(root):
    (root / "store").mkdir(parents=True)
    with opened(root, store_uri="s3://ours/"):
        assert (root / "store").read_bytes() == b"s3://ours/"
        assert len(aside(root)) == 1


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
