"""Hostile archives, by what they try: each is refused in words, and nothing leaves the folder.

`test_extract.py` has what a well-made archive gives; these are headers that no program writes.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zlib

import pytest

from mme.cache.extract import MEMBER_HEADER_BYTES, ExtractionLimits, extract
from mme.core.errors import ArtifactRejected
from tests.support.archives import extended, member, padded, pax, raw_header, records, tar_gz

pytestmark = pytest.mark.hostile("archives")

MIB = 1024 * 1024
LIMITS = ExtractionLimits(archive_bytes=10 * MIB, unpacked_bytes=10 * MIB, files=50)
END = bytes(1024)
GLOBAL = b"g"


class Counting(io.BytesIO):
    """A source that notes how much of it was read."""

    def __init__(self, content):
        super().__init__(content)
        self.read_bytes = 0

    def read(self, size=-1):
        data = super().read(size)
        self.read_bytes += len(data)
        return data


def unpack(packed, tmp_path, limits=LIMITS):
    folder = tmp_path / "out"
    folder.mkdir()
    return extract(Counting(packed), folder, limits, "s3://b/x.tar.gz")


def refused(packed, tmp_path, limits=LIMITS):
    """The reason; checks that nothing lies beside the folder, and no link in it."""
    with pytest.raises(ArtifactRejected) as caught:
        unpack(packed, tmp_path, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
    assert caught.value.source == "s3://b/x.tar.gz"
    assert len(caught.value.reason) < 16_000
    return caught.value.reason


def sparse_name(path):
    facts = {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.name": path}
    return pax(facts | {"GNU.sparse.realsize": b"1"}, content=b"1\n0\n1\n")


PATHS = {
    "up": tar_gz({"../x": b""}),
    "up from within": tar_gz({"a/../../x": b""}),
    "up, later": tar_gz({"ok": b"", "a/b/../../../x": b""}),
    "only up": tar_gz({"..": b""}),
    "up and a backslash": tar_gz({"..\\x": b""}),
    "absolute": tar_gz({"/tmp/x": b""}),
    "absolute with two slashes": tar_gz({"//tmp/x": b""}),
    "up by pax": gzip.compress(pax({"path": b"../x"}) + END),
    "absolute by pax": gzip.compress(pax({"path": b"/tmp/x"}) + END),
    "up by pax for all": gzip.compress(
        extended(records({"path": b"../x"}), GLOBAL) + raw_header() + END
    ),
    "absolute by pax for all": gzip.compress(
        extended(records({"path": b"/x"}), GLOBAL) + raw_header() + END
    ),
    "absolute by a sparse name": gzip.compress(sparse_name(b"/tmp/x") + END),
    "up by GNU's long name": gzip.compress(extended(b"../x\0", b"L") + raw_header() + END),
    "absolute by the prefix": gzip.compress(
        raw_header()[:345] + b"/tmp".ljust(167, b"\0") + END
    ),  # and a wrong checksum
    "NUL by pax": gzip.compress(pax({"path": b"a\0b"}) + END),
    "folder up": tar_gz({}, member("../d", tarfile.DIRTYPE)),
    "folder absolute": tar_gz({}, member("/tmp/d", tarfile.DIRTYPE)),
    "a part of 256 bytes": tar_gz({"x" * 256: b""}),
    "2049 characters": gzip.compress(pax({"path": b"a/" * 1024 + b"a"}) + END),
    "a megabyte": gzip.compress(pax({"path": b"a" * 1_000_000}) + END),
    "a megabyte of surrogates": gzip.compress(pax({"path": b"\xff" * 1_000_000}) + END),
    "a megabyte by GNU": gzip.compress(extended(b"a" * 1_000_000, b"L") + raw_header() + END),
    "33 folders deep": tar_gz({"d/" * 32 + "f": b"", "e/" * 33 + "f": b""}),
}


@pytest.mark.parametrize("packed", PATHS.values(), ids=PATHS)
def test_a_path_that_leads_elsewhere_or_is_none_is_refused(tmp_path, packed):
    assert refused(packed, tmp_path)


LINKS = {
    "symbolic, absolute": member("l", tarfile.SYMTYPE, "/etc/passwd"),
    "symbolic, up": member("l", tarfile.SYMTYPE, "../../etc/passwd"),
    "symbolic, up and back": member("l", tarfile.SYMTYPE, "../out/a"),
    "symbolic, to a folder": member("l", tarfile.SYMTYPE, "sub"),
    "symbolic, to the root": member("l", tarfile.SYMTYPE, "."),
    "symbolic, to itself": member("l", tarfile.SYMTYPE, "l"),
    "symbolic, to nothing": member("l", tarfile.SYMTYPE, "later"),
    "symbolic, without words": member("l", tarfile.SYMTYPE, ""),
    "hard, absolute": member("l", tarfile.LNKTYPE, "/etc/passwd"),
    "hard, up": member("l", tarfile.LNKTYPE, "../x"),
    "hard, to a folder": member("l", tarfile.LNKTYPE, "sub"),
    "hard, to nothing": member("l", tarfile.LNKTYPE, "later"),
    "hard, of a long name": member("l", tarfile.LNKTYPE, "y" * 5000),
    "a character device": member("l", tarfile.CHRTYPE),
    "a block device": member("l", tarfile.BLKTYPE),
    "a FIFO": member("l", tarfile.FIFOTYPE),
    "an unknown type": member("l", b"Q"),
    "a part of several volumes": member("l", b"M"),
    "old GNU long names": member("l", b"N"),
    "a file twice": tarfile.TarInfo("a"),
    "a file twice, otherwise spelt": tarfile.TarInfo(".//./a"),
    "a file over a folder": tarfile.TarInfo("sub"),
    "a file over a folder, with a slash": member("sub/b/", tarfile.DIRTYPE),
    "a folder over a file": member("a", tarfile.DIRTYPE),
    "a file below a file": tarfile.TarInfo("a/b"),
    "a file in place of the folder": member("a/.", tarfile.DIRTYPE),
}


@pytest.mark.parametrize("last", LINKS.values(), ids=LINKS)
def test_a_member_that_is_no_new_file_or_folder_is_refused(tmp_path, last):
    reason = refused(tar_gz({"a": b"x", "sub/b": b"y"}, last), tmp_path)
    assert re.search("is a link|neither file nor folder|there twice", reason)


@pytest.mark.parametrize("kind", [b"1", b"2"], ids=["hard", "symbolic"])
@pytest.mark.parametrize(
    "place", [b"/etc/passwd", b"../x", b"y" * 100_000], ids=["absolute", "up", "long"]
)
@pytest.mark.parametrize("by", ["pax", "pax for all", "GNU"])
def test_a_link_that_an_extended_header_leads_elsewhere_is_refused(tmp_path, kind, place, by):
    header = {
        "pax": lambda: extended(records({"linkpath": place})),
        "pax for all": lambda: extended(records({"linkpath": place}), GLOBAL),
        "GNU": lambda: extended(place, b"K"),
    }[by]()
    link = header + raw_header(b"l", kind=kind, linkname=b"later")
    assert "is a link" in refused(gzip.compress(raw_header() + link + END), tmp_path)


def huge(size):
    return raw_header(size=size) + END


TARS = {
    "size of -1": huge(b"\xff" * 12),
    "size of -256": huge(b"\xff" * 11 + b"\x00"),
    "size of -1 in digits": huge(b"-0000000001\0"),
    "size of words": huge(b"many\0\0\0\0\0\0\0\0"),
    "size with an underscore": huge(b"00000000_7_\0"),
    "size of 2 to the 88": huge(b"\x80" + b"\xff" * 11),
    "size of 8 GiB": huge(b"7" * 11 + b"\0"),
    "size in a strange form": huge(b"\xc0" + bytes(11)),
    "pax size of -1": pax({"size": b"-1"}) + END,
    "pax size of 1e9": pax({"size": b"1e9"}) + END,
    "pax size of many digits": pax({"size": b"9" * 100_000}) + END,
    "pax size in other digits": pax({"size": "٣".encode()}) + END,
    "pax size above what follows": pax({"size": b"5000"}) + END,
    "pax size for all": extended(records({"size": b"99999999999"}), GLOBAL) + raw_header() + END,
    "a record longer than its header": extended(b"99 a=b\n") + raw_header() + END,
    "a link to a name with NUL": (
        raw_header() + extended(records({"linkpath": b"a\0b"})) + raw_header(b"l", kind=b"1") + END
    ),
    "a record of length 0": extended(b"0 a=b\n") + raw_header() + END,
    "a record of length 1": extended(b"1 a=b\n") + raw_header() + END,
    "a record of length -1": extended(b"-1 a=b\n") + raw_header() + END,
    "a record of a long length": extended(b"0" * 5000 + b"6 a=b\n") + raw_header() + END,
    "a record without a length": extended(b"a=b\n") + raw_header() + END,
    "a record without a value": extended(b"5 ab\n") + raw_header() + END,
    "a record without an end": extended(b"6 a=bc") + raw_header() + END,
    "an extended header above a megabyte": raw_header(b"p", 2 * MIB, b"x") + END,
    "a long name above a megabyte": raw_header(b"p", 2 * MIB, b"L") + END,
    "an extended header of 8 GiB": raw_header(b"p", b"7" * 11 + b"\0", b"g") + END,
    "an extended header and no member": raw_header() + extended(records({"path": b"b"})) + END,
    "old GNU sparse": raw_header(kind=b"S", magic=b"ustar  \0") + END,
    "sparse 0.0": pax({"GNU.sparse.offset": b"0", "GNU.sparse.numbytes": b"1"}) + END,
    "sparse 0.1": pax({"GNU.sparse.map": b"0,1,99999999999,1", "GNU.sparse.size": b"9"}) + END,
    "sparse 1.0": sparse_name(b"name") + END,
    "sparse for all": extended(records({"GNU.sparse.size": b"9"}), GLOBAL) + raw_header() + END,
    "a wrong checksum": raw_header()[:-1] + b"x" + END,
    "a second header with a wrong checksum": raw_header() + raw_header()[:-1] + b"x" + END,
    "no tar": b"{" * 2048,
    "zeros alone": END,
    "nothing": b"",
    "cut behind a member": raw_header(),
    "cut in a header": raw_header() + raw_header()[:300],
    "cut in a content": raw_header(size=5000) + bytes(512),
    "cut in the zeros behind a content": raw_header(size=5) + b"12345",
    "cut in an extended header": raw_header(b"p", 5000, b"x") + bytes(512),
    "another tar behind it": raw_header() + END + raw_header(b"b") + END,
    "something behind it": raw_header() + END + b"x",
}


@pytest.mark.parametrize("tar", TARS.values(), ids=TARS)
def test_a_tar_that_is_not_whole_or_lies_is_refused(tmp_path, tar):
    assert refused(gzip.compress(tar), tmp_path)


@pytest.mark.parametrize("field", ["mode", "uid", "gid", "mtime", "major", "minor", "owner"])
@pytest.mark.parametrize(
    "value",
    [b"\xff", b"7", b"\x80\xff", b"\0", b"-", b"9", b"\xed\xa0\x80"],
    ids=["-1", "large", "larger", "none", "no number", "no octal", "surrogates"],
)
def test_what_does_not_matter_can_be_anything(tmp_path, field, value):
    start, end = {
        "mode": (100, 108), "uid": (108, 116), "gid": (116, 124), "mtime": (136, 148),
        "major": (329, 337), "minor": (337, 345), "owner": (265, 329),
    }[field]  # fmt: skip
    header = bytearray(raw_header())
    header[start:end] = (value + value[-1:] * end)[: end - start]
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    unpack(gzip.compress(bytes(header) + END), tmp_path)
    assert (tmp_path / "out" / "a").stat().st_mode & 0o7777 == 0o644


def forever(piece, most_bytes=64 * MIB):
    """A gzip of one piece again and again; small, since it is deflated once."""
    return gzip.compress(piece * (most_bytes // len(piece)), 1)


SHORTEST_RECORDS = b"5 a=\n" * 200_000
ENDLESS = {
    "extended headers of shortest records": forever(extended(SHORTEST_RECORDS)),
    "headers for all of shortest records": forever(extended(SHORTEST_RECORDS, GLOBAL)),
    "empty extended headers": forever(extended(b"")),
    "long names": forever(extended(b"n" * MIB, b"L")),
    "long links": forever(extended(b"n" * MIB, b"K")),
    "labels": forever(raw_header(kind=b"V")),
}


@pytest.mark.parametrize("packed", ENDLESS.values(), ids=ENDLESS)
def test_headers_before_a_member_have_a_bound_together(tmp_path, packed):
    folder = tmp_path / "out"
    folder.mkdir()
    few = ExtractionLimits(archive_bytes=10 * MIB, unpacked_bytes=100 * MIB, files=50)
    with pytest.raises(ArtifactRejected, match="extended headers are too large"):
        extract(io.BytesIO(packed), folder, few, "u")


@pytest.mark.parametrize("kind", [b"5", b"0"], ids=["folders", "files"])
def test_folders_made_by_few_bytes_count(tmp_path, kind):
    deep = b"".join(raw_header(b"%d/" % n + b"d/" * 20 + b"x", kind=kind) for n in range(40))
    assert "50 files and folders" in refused(gzip.compress(deep + END), tmp_path)
    assert len(list((tmp_path / "out").rglob("*"))) <= 50


def test_the_same_folder_again_and_again_counts_as_members(tmp_path):
    again = forever(raw_header(b"d", kind=b"5"), MIB)
    assert "50 members" in refused(again, tmp_path)


def test_many_links_to_one_large_file_are_stopped_at_the_limit(tmp_path):
    large = raw_header(b"large", 4 * MIB) + bytes(4 * MIB)
    links = b"".join(raw_header(b"l%d" % n, kind=b"1", linkname=b"large") for n in range(40))
    assert f"larger than {10 * MIB} bytes" in refused(gzip.compress(large + links + END), tmp_path)
    written = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert written <= LIMITS.unpacked_bytes


def test_a_refused_archive_is_not_read_on(tmp_path):
    noise = os.urandom(4 * MIB)
    source = Counting(gzip.compress(raw_header(b"../x", len(noise)) + noise + END, 0))
    with pytest.raises(ArtifactRejected):
        extract(source, tmp_path, LIMITS, "u")
    assert source.read_bytes < MIB


def test_zeros_behind_the_end_have_a_bound(tmp_path):
    zeros = LIMITS.unpacked_bytes + (LIMITS.files + 300) * MEMBER_HEADER_BYTES
    packed = gzip.compress(raw_header() + END + bytes(zeros), 1)
    assert "larger than" in refused(packed, tmp_path)


DEFLATED = zlib.compress(b"x" * 100)
GZIPS = {
    "a wrong checksum": lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
    "a wrong length": lambda packed: packed[:-1] + b"\1",
    "no trailer": lambda packed: packed[:-8],
    "half a trailer": lambda packed: packed[:-4],
    "a byte less": lambda packed: packed[:-1],
    "half of it": lambda packed: packed[: len(packed) // 2],
    "words behind it": lambda packed: packed + b"and more",
    "zeros and words behind it": lambda packed: packed + bytes(100) + b"and more",
    "half a member behind it": lambda packed: packed + packed[:40],
    "a member with a wrong checksum behind it": lambda packed: (
        packed + gzip.compress(b"")[:-8] + b"\1" * 8
    ),
    "another method": lambda packed: packed[:2] + b"\7" + packed[3:],
    "reserved flags": lambda packed: packed[:3] + b"\xe0" + packed[4:],
    "zlib": lambda _: DEFLATED,
    "zip": lambda _: b"PK\3\4" + bytes(100),
    "zstd": lambda _: b"\x28\xb5\x2f\xfd" + bytes(100),
    "a plain tar": gzip.decompress,
    "nothing": lambda _: b"",
    "one byte": lambda _: b"\x1f",
}


@pytest.mark.parametrize("change", GZIPS.values(), ids=GZIPS)
def test_gzip_that_is_not_whole_is_refused(tmp_path, change):
    whole = gzip.compress(raw_header(size=8) + padded(b"contents") + END)
    assert refused(change(whole), tmp_path)


def test_a_name_that_the_file_system_does_not_take_is_the_artifacts_fault(tmp_path, monkeypatch):
    def full_of_letters(*_args, **_options):
        raise OSError(84, "Invalid or incomplete multibyte or wide character")

    monkeypatch.setattr("pathlib.Path.open", full_of_letters)
    reason = refused(gzip.compress(raw_header(b"\xff") + END), tmp_path)
    assert reason.startswith(r"member '\udcff': Invalid or incomplete multibyte")
