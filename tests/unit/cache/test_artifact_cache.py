"""The disk cache: whole or not there, across failures and restarts."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from mme.cache import ArtifactCache, CacheInUse, ExtractionLimits
from mme.core.errors import ArtifactRejected, TargetNotFound
from mme.core.names import model_name
from mme.store import open_store
from tests.support.archives import tar_gz
from tests.support.endpoint import PROJECT

LIMITS = ExtractionLimits(archive_bytes=10**6, unpacked_bytes=10**6, files=50)


@pytest.fixture
def store_dir(tmp_path):
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.fixture
def store(store_dir):
    return open_store(str(store_dir))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def put(store_dir, store, content=None, target="a.tar.gz"):
    (store_dir / target).write_bytes(content or tar_gz({"file": b"content"}))
    ref = store.find(target)
    return model_name(target, ref.version), ref


def test_a_fetched_artifact_is_unpacked_with_its_sizes_and_time(store_dir, store, root):
    name, ref = put(store_dir, store)
    with ArtifactCache(root, LIMITS, clock=lambda: 123.0) as cache:
        entry = cache.fetch(name, ref, store)
        assert (entry.model_dir / "file").read_bytes() == b"content"
        assert (entry.target, entry.version, entry.fetched_at) == ("a.tar.gz", ref.version, 123.0)
        assert (entry.archive_bytes, entry.unpacked_bytes) == (ref.size_bytes, 7)
        assert cache.lookup(name) == entry
        assert cache.entries() == [entry]


def test_artifacts_survive_a_restart(store_dir, store, root):
    name, ref = put(store_dir, store)
    with ArtifactCache(root, LIMITS) as cache:
        entry = cache.fetch(name, ref, store)
    with ArtifactCache(root, LIMITS) as cache:
        assert cache.lookup(name) == entry


def test_a_failed_fetch_leaves_nothing(store_dir, store, root):
    name, ref = put(store_dir, store, tar_gz({"good": b"x", "../bad": b"x"}))
    with ArtifactCache(root, LIMITS) as cache:
        with pytest.raises(ArtifactRejected):
            cache.fetch(name, ref, store)
        assert cache.lookup(name) is None
        assert list((root / "partial").iterdir()) == []
        assert list((root / "artifacts").iterdir()) == []


def test_an_artifact_gone_from_the_store_meanwhile_leaves_nothing(store_dir, store, root):
    name, ref = put(store_dir, store)
    (store_dir / "a.tar.gz").unlink()
    with ArtifactCache(root, LIMITS) as cache:
        with pytest.raises(TargetNotFound):
            cache.fetch(name, ref, store)
        assert list((root / "partial").iterdir()) == []


def test_what_a_crash_left_half_written_is_cleared_away(store_dir, store, root):
    name, ref = put(store_dir, store)
    with ArtifactCache(root, LIMITS) as cache:
        cache.fetch(name, ref, store)
    (root / "artifacts" / name / "entry.json").write_text('{"name":')
    (root / "partial" / "abc").mkdir()
    with ArtifactCache(root, LIMITS) as cache:
        assert cache.lookup(name) is None
        assert list((root / "artifacts").iterdir()) == []
        assert list((root / "partial").iterdir()) == []
        assert cache.fetch(name, ref, store).model_dir.is_dir()


def test_a_removed_artifact_is_gone_and_can_be_fetched_again(store_dir, store, root):
    name, ref = put(store_dir, store)
    with ArtifactCache(root, LIMITS) as cache:
        cache.fetch(name, ref, store)
        cache.remove(name)
        cache.remove(name)
        assert cache.lookup(name) is None
        assert list((root / "artifacts").iterdir()) == []
        assert cache.fetch(name, ref, store).model_dir.is_dir()


def test_the_same_name_fetched_twice_at_once_is_whole(store_dir, store, root):
    name, ref = put(store_dir, store)
    with ArtifactCache(root, LIMITS) as cache:
        entries = []
        threads = [
            threading.Thread(target=lambda: entries.append(cache.fetch(name, ref, store)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(entries) == 4
        assert (cache.entries()[0].model_dir / "file").read_bytes() == b"content"
        assert list((root / "partial").iterdir()) == []


def test_a_second_process_is_told_who_has_the_cache(root):
    script = (
        "import sys; from pathlib import Path; from mme.cache import *;"
        "ArtifactCache(Path(sys.argv[1]), ExtractionLimits(1, 1, 1)); print('up', flush=True);"
        "sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(root)],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "up\n"
        with pytest.raises(CacheInUse, match=f"pid {other.pid}"):
            ArtifactCache(root, LIMITS)
        other.kill()
    ArtifactCache(root, LIMITS).close()


def three_artifacts(store_dir, store, cache, clock):
    names = []
    for n in range(3):
        clock.append(100.0 + n)
        name, ref = put(store_dir, store, tar_gz({"file": bytes(100_000)}), f"a{n}.tar.gz")
        cache.fetch(name, ref, store)
        cache.used(name)
        names.append(name)
    return names


def test_a_cache_too_large_drops_what_was_wanted_longest_ago(store_dir, store, root):
    clock = [0.0]
    with ArtifactCache(root, LIMITS, clock=lambda: clock[-1]) as cache:
        first, _, third = three_artifacts(store_dir, store, cache, clock)
        clock.append(200.0)
        cache.used(first)
        assert cache.shrink(250_000, lambda _: False) == 0
        assert {entry.name for entry in cache.entries()} == {first, third}


def test_what_is_in_use_is_not_dropped_and_the_excess_is_told(store_dir, store, root):
    clock = [0.0]
    with ArtifactCache(root, LIMITS, clock=lambda: clock[-1]) as cache:
        names = three_artifacts(store_dir, store, cache, clock)
        assert cache.shrink(150_000, lambda name: name != names[1]) > 0
        assert {entry.name for entry in cache.entries()} == {names[0], names[2]}
        assert cache.drop_oldest(lambda name: name == names[0])
        assert not cache.drop_oldest(lambda name: name == names[0])


def test_what_is_put_beside_a_model_counts_and_goes_with_it(store_dir, store, root):
    name, ref = put(store_dir, store)
    with ArtifactCache(root, LIMITS) as cache:
        cache.fetch(name, ref, store)
        beside = cache.artifacts_dir / name / "mapped"
        beside.mkdir()
        (beside / "x").write_bytes(bytes(500_000))
        assert cache.shrink(400_000, lambda _: True) > 0
        assert cache.shrink(400_000, lambda _: False) == 0
        assert not beside.exists()


def test_of_two_versions_left_by_an_end_in_between_the_later_stays(store_dir, store, root):
    times = iter((1.0, 2.0))
    with ArtifactCache(root, LIMITS, clock=lambda: next(times)) as cache:
        name, ref = put(store_dir, store)
        old = cache.fetch(name, ref, store)
        name, ref = put(store_dir, store, tar_gz({"file": b"newer"}))
        new = cache.fetch(name, ref, store)
        assert {entry.name for entry in cache.entries()} == {old.name, new.name}
    assert [path.name for path in (root / "artifacts").iterdir()] == [new.name]
