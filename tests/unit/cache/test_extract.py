"""Extraction: what a well-made archive gives, and what a hostile one does not get."""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mme.cache.extract import ExtractionLimits, extract
from mme.core.errors import ArtifactRejected
from tests.support.archives import bomb, member, tar_gz

LIMITS = ExtractionLimits(archive_bytes=10_000_000, unpacked_bytes=10_000_000, files=50)


def unpack(content, folder, limits=LIMITS):
    folder.mkdir(exist_ok=True)
    return extract(io.BytesIO(content), folder, limits, "s3://b/x.tar.gz")


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_and_folders_come_out_as_they_went_in(tmp_path):
    files = {"./a.json": b"{}", "sub/b": b"bb", "sub/deep/c": b""}
    extracted = unpack(tar_gz(files), tmp_path / "out")
    assert contents(tmp_path / "out") == {"a.json": b"{}", "sub/b": b"bb", "sub/deep/c": b""}
    assert (extracted.files, extracted.unpacked_bytes) == (3, 4)


def test_modes_and_owners_of_the_archive_do_not_matter(tmp_path):
    info = tarfile.TarInfo("a")
    info.mode, info.uid = 0o4777, 12345
    unpack(tar_gz({}, info), tmp_path / "out")
    assert (tmp_path / "out" / "a").stat().st_mode & 0o7777 == 0o644


def test_links_to_files_of_the_archive_become_copies(tmp_path):
    packed = tar_gz(
        {"sub/a": b"content"},
        member("hard", tarfile.LNKTYPE, "sub/a"),
        member("sub/soft", tarfile.SYMTYPE, "../sub/a"),
    )
    unpack(packed, tmp_path / "out")
    assert contents(tmp_path / "out") == dict.fromkeys(("sub/a", "hard", "sub/soft"), b"content")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize(
    "hostile",
    [
        tar_gz({"../out-of-it": b"x"}),
        tar_gz({"a/../../out-of-it": b"x"}),
        tar_gz({"/tmp/out-of-it": b"x"}),
        tar_gz({}, member("a", tarfile.SYMTYPE, "/etc/passwd")),
        tar_gz({}, member("a", tarfile.SYMTYPE, "../../etc/passwd")),
        tar_gz({}, member("a", tarfile.LNKTYPE, "/etc/passwd")),
        tar_gz({}, member("a", tarfile.SYMTYPE, "later")),
        tar_gz({}, member("a", tarfile.SYMTYPE, ".")),
        tar_gz({}, member("a", tarfile.CHRTYPE)),
        tar_gz({}, member("a", tarfile.FIFOTYPE)),
        tar_gz({"a": b"x", "a/b": b"y"}),
        tar_gz({"x" * 300: b"x"}),
        tar_gz({"manifest.json": b"{}"}),
        tar_gz({"sub/MANIFEST.json": b"{}"}),
        tar_gz({}),
        tar_gz({}, member("folder", tarfile.DIRTYPE)),
        b"",
        b"PK\x03\x04 a zip",
        tar_gz({"a": bytes(range(256)) * 40})[:-200],
        b"\x1f\x8b" + bytes(50),
    ],
    ids=lambda _: "archive",  # bytes with the time in them make no name
)
def test_a_hostile_or_broken_archive_is_refused_and_nothing_leaves_the_folder(tmp_path, hostile):
    with pytest.raises(ArtifactRejected, match=r"s3://b/x\.tar\.gz"):
        unpack(hostile, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_offending_member_is_named(tmp_path):
    with pytest.raises(ArtifactRejected, match=r"'sub/\.\./\.\./evil'"):
        unpack(tar_gz({"sub/../../evil": b"x"}), tmp_path / "out")


def test_the_same_name_twice_is_refused(tmp_path):
    with pytest.raises(ArtifactRejected, match="twice"):
        unpack(tar_gz({"a": b"x"}, tarfile.TarInfo("a")), tmp_path / "out")


def test_a_bomb_is_stopped_before_it_fills_the_disk(tmp_path):
    with pytest.raises(ArtifactRejected, match="larger than 10000000 bytes"):
        unpack(bomb(20_000_000), tmp_path / "out")
    assert sum(len(content) for content in contents(tmp_path / "out").values()) == 0


def test_too_many_members_are_refused(tmp_path):
    with pytest.raises(ArtifactRejected, match="50 members"):
        unpack(tar_gz({f"f{n}": b"" for n in range(51)}), tmp_path / "out")


def test_an_archive_above_its_limit_is_refused(tmp_path):
    noise = bytes((n * 7919) % 251 for n in range(100_000))
    with pytest.raises(ArtifactRejected, match="larger than 100 bytes"):
        unpack(tar_gz({"a": noise}), tmp_path / "out", ExtractionLimits(100, 10**6, 5))


names = st.lists(
    st.sampled_from(["a", "b", ".", "..", "", "/", "~", "ü", "con", "-"]), min_size=1, max_size=5
).map("/".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(names.filter(bool), st.binary(max_size=5), max_size=4))
def test_no_names_make_a_file_outside(tmp_path_factory, files):
    base = tmp_path_factory.mktemp("any")
    with contextlib.suppress(ArtifactRejected):
        unpack(tar_gz(files), base / "out")
    assert [path.name for path in base.iterdir()] == ["out"]
