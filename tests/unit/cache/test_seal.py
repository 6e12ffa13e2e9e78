"""Files of an artifact that are changed on the disk are noticed: before a load, or in a while."""

from __future__ import annotations

import logging
import os
import shutil
import stat

import pytest

from mme.cache import AdmissionTerms, ArtifactCache, ExtractionLimits, verify
from mme.cache.entry import ENTRY_FILE, read_entry
from mme.cache.seal import NotPlain, is_intact, sealed
from tests.support.archives import tar_gz
from tests.support.cached import admit

pytestmark = pytest.mark.hostile("surroundings")

LIMITS = ExtractionLimits(archive_bytes=10**6, unpacked_bytes=10**6, files=50)
TERMS = AdmissionTerms(memory_bytes=1, cpu_s=2, checks=True)
FILES = {"a": b"content", "sub/b": b"more"}


def keeping_its_time(path, change):
    """What a disk does that forgets: the time stays."""
    status = path.stat()
    change(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def appended(path):
    with path.open("ab") as file:
        file.write(b"x")


def flipped(path):
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(bytes(content))


def fifo(path):
    path.unlink()
    os.mkfifo(path)


CHANGES = {
    "rewritten": lambda model: (model / "a").write_bytes(b"changed"),
    "appended": lambda model: appended(model / "a"),
    "appended, its time kept": lambda model: keeping_its_time(model / "a", appended),
    "cut": lambda model: os.truncate(model / "a", 3),
    "emptied": lambda model: os.truncate(model / "sub" / "b", 0),
    "removed": lambda model: (model / "a").unlink(),
    "renamed": lambda model: (model / "a").rename(model / "A"),
    "one more": lambda model: (model / "sub" / "c").touch(),
    "one more folder": lambda model: (model / "more").mkdir(),
    "a folder removed": lambda model: shutil.rmtree(model / "sub"),
    "a link": lambda model: [(model / "a").unlink(), (model / "a").symlink_to("sub/b")],
    "a FIFO": lambda model: fifo(model / "a"),
    "a folder for a file": lambda model: [(model / "a").unlink(), (model / "a").mkdir()],
    "its converted form": lambda model: flipped(model.parent / "mapped" / "m"),
    "its converted form removed": lambda model: shutil.rmtree(model.parent / "mapped"),
    "others may write a file": lambda model: (model / "a").chmod(0o666),
    "the group may write a file": lambda model: (model / "a").chmod(0o664),
    "others may write a folder": lambda model: (model / "sub").chmod(0o777),
    "others may write the model": lambda model: model.chmod(0o777),
    "others may write the artifact": lambda model: model.parent.chmod(0o777),
    "others may write its record": lambda model: (model.parent / ENTRY_FILE).chmod(0o666),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """An artifact in its place."""
    folder = tmp_path / "artifacts" / "name"
    for name, content in FILES.items():
        place = folder / "model" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    (folder / "mapped").mkdir()
    (folder / "mapped" / "m").write_bytes(b"mapped")
    (folder / ENTRY_FILE).touch()
    return folder


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_breaks_the_seal(folder, change):
    seal = sealed(folder)
    assert is_intact(folder, seal)
    change(folder / "model")
    assert not is_intact(folder, seal)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("place", ["", ENTRY_FILE, "model", "model/a", "mapped/m"])
def test_what_belongs_to_somebody_else_is_not_believed(folder, place):
    seal = sealed(folder)
    os.chown(folder / place, 12345, 12345)
    assert not is_intact(folder, seal)


def test_sealing_takes_the_right_to_change_from_others(folder):
    (folder / "model" / "a").chmod(0o666)
    (folder / "model" / "sub").chmod(0o777)
    assert is_intact(folder, sealed(folder))
    assert stat.S_IMODE((folder / "model" / "a").stat().st_mode) == 0o644
    assert stat.S_IMODE((folder / "model" / "sub").stat().st_mode) == 0o755


def test_where_the_file_system_knows_one_mode_it_does_not_matter(folder):
    seal = sealed(folder)
    for path in (folder.parent, folder, folder / "model" / "a"):
        path.chmod(0o777)
    assert is_intact(folder, seal)


def test_an_artifact_that_was_moved_is_the_same(folder, tmp_path):
    seal = sealed(folder)
    (tmp_path / "elsewhere").mkdir()
    assert is_intact(folder.rename(tmp_path / "elsewhere" / "name"), seal)


@pytest.fixture
def opened(root):
    cache = ArtifactCache.open(root, LIMITS, TERMS)
    yield cache
    cache.close()


async def fetched(opened, shelf):
    name, ref = shelf.put(content=tar_gz(FILES))
    await opened.fetch(name, ref, shelf.store, admit)
    return name, ref


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077], ids=oct)
async def test_what_is_fetched_is_intact_whatever_the_umask(shelf, root, umask):
    before = os.umask(umask)
    try:
        cache = ArtifactCache.open(root, LIMITS, TERMS)
        name, _ = await fetched(cache, shelf)
        assert cache.lookup(name) is not None
        entry = read_entry(root / "artifacts" / name)
        assert entry is not None
        assert entry.seal is not None
        cache.close()
    finally:
        os.umask(before)


async def test_a_changed_artifact_goes_is_logged_and_fetched_anew(shelf, root, opened, caplog):
    name, ref = await fetched(opened, shelf)
    (root / "artifacts" / name / "model" / "a").write_bytes(b"changed")
    with caplog.at_level(logging.WARNING):
        assert opened.lookup(name) is None
    assert f"{name} in the disk cache is not what was admitted" in caplog.text
    assert opened.latest("a.tar.gz") is None
    assert list((root / "artifacts").iterdir()) == []
    again = await opened.fetch(name, ref, shelf.store, admit)
    assert (again.model_dir / "a").read_bytes() == b"content"
    assert opened.lookup(name) == again


async def test_a_change_between_two_endpoints_is_noticed_too(shelf, root):
    cache = ArtifactCache.open(root, LIMITS, TERMS)
    name, _ = await fetched(cache, shelf)
    cache.close()
    (root / "artifacts" / name / "model" / "a").write_bytes(b"changed")
    (root / "index.db").unlink()
    cache = ArtifactCache.open(root, LIMITS, TERMS)
    assert cache.lookup(name) is None
    cache.close()


async def test_what_a_disk_has_forgotten_is_found_in_the_background(
    shelf, root, opened, monkeypatch
):
    monkeypatch.setattr(verify, "IDLE_TIMES", 0)
    name, _ = await fetched(opened, shelf)
    await opened.verify()
    assert opened.lookup(name) is not None
    keeping_its_time(root / "artifacts" / name / "model" / "a", flipped)
    assert opened.lookup(name) is not None
    await opened.verify()
    assert opened.lookup(name) is None


async def test_what_goes_while_it_is_read_is_no_damage(shelf, opened, monkeypatch, caplog):
    monkeypatch.setattr(verify, "IDLE_TIMES", 0)
    name, _ = await fetched(opened, shelf)
    checking = opened.verify()
    await opened.discard(name)
    with caplog.at_level(logging.WARNING):
        await checking
    assert caplog.text == ""


async def test_a_handler_of_somebody_else_may_write_beside_its_files(shelf, root):
    cache = ArtifactCache.open(root, LIMITS, AdmissionTerms(memory_bytes=1, cpu_s=2, checks=False))
    name, _ = await fetched(cache, shelf)
    (root / "artifacts" / name / "model" / "cache").touch()
    assert cache.lookup(name) is not None
    cache.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_artifacts_that_is_somebody_elses_is_set_aside(root):
    (root / "artifacts" / ("0" * 32)).mkdir(parents=True)
    os.chown(root / "artifacts", 12345, 12345)
    ArtifactCache.open(root, LIMITS, TERMS).close()
    assert list((root / "artifacts").iterdir()) == []
    assert [path.name[:16] for path in root.glob("aside-*")] == ["aside-artifacts-"]


def test_a_folder_of_artifacts_that_others_may_write_is_closed_to_them(root):
    (root / "artifacts").mkdir(parents=True)
    (root / "artifacts").chmod(0o777)
    ArtifactCache.open(root, LIMITS, TERMS).close()
    assert stat.S_IMODE((root / "artifacts").stat().st_mode) == 0o755


@pytest.mark.hostile("archives")
@pytest.mark.parametrize("place", ["model/link", "mapped", "mapped/link"])
def test_links_that_an_admission_left_are_not_followed(tmp_path, place):
    (tmp_path / "outside").mkdir()
    secret = tmp_path / "outside" / "secret"
    secret.write_text("secret")
    secret.chmod(0o666)
    folder = tmp_path / "artifact"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "a").write_text("a")
    if place.startswith("mapped/"):
        (folder / "mapped").mkdir()
    (folder / place).symlink_to(secret if place.endswith("link") else secret.parent)
    with pytest.raises(NotPlain, match="neither file nor folder"):
        sealed(folder)
    assert secret.stat().st_mode & 0o777 == 0o666
