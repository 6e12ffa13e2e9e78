"""Artifacts that lie unpacked in a folder store: found, listed, and read as archives."""

from __future__ import annotations

import gzip
import io
import os
import tarfile

import pytest

from mme.cache.extract import ExtractionLimits, extract
from mme.core.errors import ArtifactRejected, InvalidRequest, StoreUnavailable, TargetNotFound
from mme.store import TargetDenied, open_store
from mme.store.unpacked import STORED_BYTES

LIMITS = ExtractionLimits(archive_bytes=1 << 30, unpacked_bytes=1 << 30, files=100)
FILES = {
    "DocSim-params.json": b"{}",
    "DocSim-model": bytes(range(256)) * 1000,
    "empty": b"",
    "exact": b"x" * STORED_BYTES,
    "deep/er/file": b"y" * 513,
    f"{'long' * 50}/{'name' * 50}": b"z",
    "grö ße": b"umlaut",
}


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def store(root):
    return open_store(str(root))


def put(folder, files=None):
    for name, content in (FILES if files is None else files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read(store, target):
    ref = store.find(target)
    with store.open(ref) as source:
        archive = b"".join(iter(lambda: source.read(1000), b""))
    assert len(archive) == ref.size_bytes
    return archive


def unpacked(archive, folder):
    folder.mkdir()
    extract(io.BytesIO(archive), folder, LIMITS, "it")
    return {
        place.relative_to(folder).as_posix(): place.read_bytes()
        for place in folder.rglob("*")
        if place.is_file()
    }


@pytest.mark.parametrize("name", ["DocSim.tar.gz", "de/DocSim.tar.gz", "DocSim"])
def test_a_folder_is_read_as_the_archive_it_would_be(store, root, tmp_path, name):
    put(root / name)
    archive = read(store, name)
    assert unpacked(archive, tmp_path / "out") == FILES
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as tar:
        assert {each.name for each in tar if each.isfile()} == set(FILES)


def test_a_folder_named_as_an_archive_needs_no_parameters(store, root, tmp_path):
    put(root / "own.tar.gz", {"anything": b"1"})
    assert unpacked(read(store, "own.tar.gz"), tmp_path / "out") == {"anything": b"1"}


def test_another_folder_without_parameters_is_no_artifact(store, root):
    put(root / "de", {"DocSim.tar.gz": b"1", "corpus/Search-params.json": b"{}"})
    with pytest.raises(TargetNotFound, match="nor a folder with an artifact"):
        store.find("de")


def test_a_file_inside_one_is_a_target_as_any_file_is(store, root):
    put(root / "DocSim.tar.gz")
    assert store.find("DocSim.tar.gz/DocSim-params.json").size_bytes == 2


def test_the_version_changes_with_any_file_and_only_then(store, root):
    folder = put(root / "a.tar.gz")
    versions = [store.find("a.tar.gz").version]
    assert store.find("a.tar.gz").version == versions[0]
    (folder / "deep/er/file").write_bytes(b"longer than it was before" * 100)
    versions.append(store.find("a.tar.gz").version)
    (folder / "more").write_bytes(b"")
    versions.append(store.find("a.tar.gz").version)
    (folder / "more").rename(folder / "moved")
    versions.append(store.find("a.tar.gz").version)
    assert len(set(versions)) == len(versions)


def test_one_that_has_changed_since_it_was_found_is_not_read(store, root):
    folder = put(root / "a.tar.gz")
    ref = store.find("a.tar.gz")
    (folder / "DocSim-model").write_bytes(b"other")
    with pytest.raises(StoreUnavailable, match="changed"), store.open(ref):
        pass


def _longer(place):
    place.write_bytes(b"more than there was")


def _linked(place):
    place.unlink()
    place.symlink_to("/etc/hostname")


def _gone(place):
    place.unlink()


def _fifo(place):
    place.unlink()
    os.mkfifo(place)


@pytest.mark.hostile("stores")
@pytest.mark.parametrize("change", [_longer, _linked, _gone, _fifo])
def test_a_file_that_changes_while_it_is_read_is_an_error_and_not_read(store, root, change):
    folder = put(root / "a.tar.gz", {"a": bytes(100_000), "b": b"short"})
    with store.open(store.find("a.tar.gz")) as source:
        source.read(1000)
        change(folder / "b")
        with pytest.raises(StoreUnavailable):
            source.read()


def test_links_to_files_of_the_artifact_are_read_as_these(store, root, tmp_path):
    folder = put(root / "a.tar.gz", {"blobs/1": b"content"})
    (folder / "file").symlink_to("blobs/1")
    assert unpacked(read(store, "a.tar.gz"), tmp_path / "out") == {
        "blobs/1": b"content",
        "file": b"content",
    }


@pytest.mark.hostile("stores")
@pytest.mark.parametrize("link", ["../../secret", "../other.tar.gz", "blobs", ".", "x", "none"])
def test_other_links_are_refused_by_name(store, root, link):
    (root.parent / "secret").write_text("x")
    (root / "other.tar.gz").write_text("x")
    folder = put(root / "a.tar.gz", {"blobs/1": b"content"})
    (folder / "x").symlink_to(link)
    with pytest.raises(ArtifactRejected, match=r"'x' is a link"):
        store.find("a.tar.gz")
    assert [ref.target for ref in store.list()] == ["other.tar.gz"]


@pytest.mark.hostile("stores")
def test_what_is_no_file_is_refused_and_does_not_hang(store, root):
    os.mkfifo(put(root / "a.tar.gz") / "pipe")
    with pytest.raises(ArtifactRejected, match="'pipe' is neither file nor folder"):
        store.find("a.tar.gz")


@pytest.mark.hostile("stores")
def test_a_walk_ends_at_the_most_files_there_may_be(root):
    put(root / "a.tar.gz", {f"{number}/file": b"" for number in range(10)})
    assert open_store(str(root), most_files=20).find("a.tar.gz").size_bytes > 0
    with pytest.raises(ArtifactRejected, match="more than 19 files and folders"):
        open_store(f"file://{root}", most_files=19).find("a.tar.gz")


@pytest.mark.hostile("stores")
def test_a_folder_that_is_a_link_out_of_the_store_is_not_followed(store, root):
    put(root.parent / "elsewhere")
    (root / "a.tar.gz").symlink_to(root.parent / "elsewhere")
    with pytest.raises(TargetNotFound, match="out of the store"):
        store.find("a.tar.gz")
    assert list(store.list()) == []


@pytest.mark.hostile("stores")
def test_names_that_archives_may_not_hold_are_refused_as_in_archives(store, root, tmp_path):
    put(root / "a.tar.gz", {"back\\slash": b""})
    with pytest.raises(ArtifactRejected, match="not a plain relative path"):
        unpacked(read(store, "a.tar.gz"), tmp_path / "out")


def test_a_link_inside_the_store_names_another_version(store, root, tmp_path):
    put(root / "DocSim-1.tar.gz")
    (root / "live.tar.gz").symlink_to("DocSim-1.tar.gz")
    assert unpacked(read(store, "live.tar.gz"), tmp_path / "out") == FILES


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_denied(store, root):
    put(root / "a.tar.gz").chmod(0)
    with pytest.raises(TargetDenied):
        store.find("a.tar.gz")


def test_unpacked_artifacts_are_listed_among_archives_and_nothing_inside_them(store, root):
    put(root / "b.tar.gz")
    put(root / "de/DocSim", {**FILES, "inner.tar.gz": b"1"})
    put(root, {"a.tar.gz": b"x", "de/c.tar.gz": b"x", "corpus/rows.csv": b""})
    targets = [ref.target for ref in store.list()]
    assert targets == ["a.tar.gz", "b.tar.gz", "de/DocSim", "de/c.tar.gz"]
    assert [ref.target for ref in store.list("de/D")] == ["de/DocSim"]
    assert [ref.target for ref in store.list(ending=".csv")] == ["corpus/rows.csv"]


def test_a_target_that_leads_out_of_an_unpacked_artifact_is_refused(store, root):
    put(root / "a.tar.gz")
    with pytest.raises(InvalidRequest):
        store.find("a.tar.gz/../b")
