"""Extraction: what a well-made archive gives, and what a hostile one does not get."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mme.cache.extract import ExtractionLimits, extract
from mme.core.errors import ArtifactRejected
from tests.support.archives import bomb, member, pax, raw_header, tar_gz

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


@pytest.mark.hostile("archives")
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


@pytest.mark.hostile("archives")
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


@pytest.mark.hostile("archives")
def test_a_bomb_is_stopped_before_it_fills_the_disk(tmp_path):
    with pytest.raises(ArtifactRejected, match="larger than 10000000 bytes"):
        unpack(bomb(20_000_000), tmp_path / "out")
    assert sum(len(content) for content in contents(tmp_path / "out").values()) == 0


@pytest.mark.hostile("archives")
def test_too_many_members_are_refused(tmp_path):
    with pytest.raises(ArtifactRejected, match="50 members"):
        unpack(tar_gz({f"f{n}": b"" for n in range(51)}), tmp_path / "out")


def test_an_archive_above_its_limit_is_refused(tmp_path):
    noise = bytes((n * 7919) % 251 for n in range(100_000))
    with pytest.raises(ArtifactRejected, match="larger than 100 bytes"):
        unpack(tar_gz({"a": noise}), tmp_path / "out", ExtractionLimits(100, 10**6, 5))


END = bytes(1024)
ONE_FILE = raw_header(b"first")


@pytest.mark.hostile("archives")
@pytest.mark.parametrize(
    ("tar", "reason"),
    [
        (raw_header(size=b"\xff" * 12) + END, "size"),
        (ONE_FILE + raw_header(size=b"\xff" * 11 + b"\x00") + END, "size"),
        (pax({"size": b"-1024"}) + END, "size"),
        (raw_header(kind=b"S", size=b"%011o\0" % 0, magic=b"ustar  \0") + END, "sparse"),
        (pax({"GNU.sparse.map": b"0,1,99999999999,1", "GNU.sparse.size": b"9"}) + END, "sparse"),
        (
            pax(
                {
                    "GNU.sparse.size": b"9",
                    "GNU.sparse.offset": b"0",
                    "GNU.sparse.numbytes": b"1",
                }
            )
            + END,
            "sparse",
        ),
        (
            pax(
                {
                    "GNU.sparse.major": b"1",
                    "GNU.sparse.minor": b"0",
                    "GNU.sparse.realsize": b"999999999",
                },
                content=b"1\n0\n1\n".ljust(512, b"\0"),
            )
            + END,
            "sparse",
        ),
        (raw_header(b"/".join([b"d"] * 33)) + END, "too deep"),
        (raw_header(b"/".join([b"d"] * 33), kind=b"5") + END, "too deep"),
        (raw_header(kind=b"x", size=b"%011o\0" % (2 << 20)) + END, "extended header"),
        (raw_header(kind=b"L", size=b"%011o\0" % (2 << 20)) + END, "extended header"),
        ((raw_header(kind=b"x") + b"") * 3000 + END, "damaged"),
        (ONE_FILE, "missing"),
        (ONE_FILE + b"x" * 100, "damaged"),
        (ONE_FILE + b"x" * 512 + END, "damaged"),
        (raw_header(size=b"%011o\0" % 5000) + bytes(512), "cut off"),
        (ONE_FILE + END + ONE_FILE + END, "follows its end"),
        (raw_header(kind=b"M") + END, "neither file nor folder"),
        (raw_header(b"b", kind=b"2", linkname=b"x" * 100) + END, "is a link"),
        (pax({"path": b"x/" * 2000 + b"y"}) + END, "too deep|too long"),
        (pax({"path": b"/".join([b"y" * 200] * 20)}) + END, "too long"),
        (pax({"linkpath": b"y" * 5000}) + raw_header(b"l", kind=b"2") + END, "is a link"),
        (END, "no files"),
    ],
)
def test_what_tarfile_lets_pass_is_refused(tmp_path, tar, reason):
    with pytest.raises(ArtifactRejected, match=reason):
        unpack(gzip.compress(tar), tmp_path / "out")


def test_a_label_of_a_volume_is_no_member(tmp_path):
    tar = raw_header(b"my label", kind=b"V") + ONE_FILE + END
    assert unpack(gzip.compress(tar), tmp_path / "out").files == 1


def test_one_block_of_zeros_is_an_end_and_more_of_them_too(tmp_path):
    assert unpack(gzip.compress(ONE_FILE + bytes(512)), tmp_path / "a").files == 1
    assert unpack(gzip.compress(ONE_FILE + bytes(512 * 200)), tmp_path / "b").files == 1


def test_an_archive_in_several_gzip_members_is_whole(tmp_path):
    tar = gzip.decompress(tar_gz({"a": b"a" * 600, "b": b"b"}))
    packed = gzip.compress(tar[:1024]) + gzip.compress(tar[1024:1600]) + gzip.compress(tar[1600:])
    unpack(packed, tmp_path / "out")
    assert contents(tmp_path / "out") == {"a": b"a" * 600, "b": b"b"}


def test_a_wrong_checksum_behind_the_last_member_is_refused(tmp_path):
    packed = bytearray(tar_gz({"a": b"content"}))
    packed[-8] ^= 1
    with pytest.raises(ArtifactRejected, match="damaged"):
        unpack(bytes(packed), tmp_path / "out")


@pytest.mark.hostile("archives")
def test_folders_count_also_those_that_are_only_implied(tmp_path):
    few = ExtractionLimits(archive_bytes=10**6, unpacked_bytes=10**6, files=10)
    assert unpack(tar_gz({"a/b/c/d/e/f/g/h/i/file": b""}), tmp_path / "a", few).files == 1
    with pytest.raises(ArtifactRejected, match="10 files and folders"):
        unpack(tar_gz({"a/b/c/d/e/f/g/h/i/j/file": b""}), tmp_path / "b", few)
    assert len(list((tmp_path / "b").rglob("*"))) == 10


@pytest.mark.hostile("archives")
def test_copies_of_links_count_as_what_is_written(tmp_path):
    links = [member(f"l{n}", tarfile.LNKTYPE, "a") for n in range(20)]
    few = ExtractionLimits(archive_bytes=10**6, unpacked_bytes=10_500, files=50)
    with pytest.raises(ArtifactRejected, match="larger than 10500 bytes"):
        unpack(tar_gz({"a": bytes(1000)}, *links), tmp_path / "out", few)
    assert sum(map(len, contents(tmp_path / "out").values())) <= 10_500


def test_the_deepest_folder_allowed_is_made(tmp_path):
    unpack(tar_gz({"/".join(["d"] * 32): b"x"}), tmp_path / "out")
    assert list(contents(tmp_path / "out").values()) == [b"x"]


@pytest.mark.hostile("archives")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_changed_byte_writes_nothing_outside(tmp_path_factory, data):
    whole = gzip.decompress(tar_gz({"a": b"content", "sub/b": b"more"}))
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, 2560))] ^= data.draw(st.integers(1, 255))
    base = tmp_path_factory.mktemp("any")
    with contextlib.suppress(ArtifactRejected):
        unpack(gzip.compress(bytes(changed), 1), base / "out")
    assert [path.name for path in base.iterdir()] == ["out"]


names = st.lists(
    st.sampled_from(["a", "b", ".", "..", "", "/", "~", "ü", "con", "-"]), min_size=1, max_size=5
).map("/".join)


@pytest.mark.hostile("archives")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(names.filter(bool), st.binary(max_size=5), max_size=4))
def test_no_names_make_a_file_outside(tmp_path_factory, files):
    base = tmp_path_factory.mktemp("any")
    with contextlib.suppress(ArtifactRejected):
        unpack(tar_gz(files), base / "out")
    assert [path.name for path in base.iterdir()] == ["out"]
