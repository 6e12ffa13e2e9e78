"""Every form of archive that common programs write is read, whole."""

from __future__ import annotations

import gzip
import io
import shutil
import struct
import subprocess
import tarfile
import zlib

import pytest

from mme.cache.extract import ExtractionLimits, extract
from tests.support.archives import extended, padded, pax, raw_header, records

LIMITS = ExtractionLimits(archive_bytes=10**7, unpacked_bytes=10**7, files=100)
END = bytes(1024)
LONG = "long/" + "n" * 120 + "/" + "f" * 150
FILES = {"a.json": b"{}", "sub/empty": b"", "sub/block": b"b" * 512, "sub/more": b"m" * 1500}
SPECIAL = {LONG: b"long", "grö ße/ü": b"umlauts"}


def unpacked(packed, folder):
    folder.mkdir()
    extract(io.BytesIO(packed), folder, LIMITS, "s3://b/x.tar.gz")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def of_python(files, **options):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if options.get("format") != tarfile.USTAR_FORMAT:
                info.mtime, info.uid = 1234567.25, 2**31
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "files"),
    [
        (tarfile.USTAR_FORMAT, FILES),
        (tarfile.USTAR_FORMAT, {"p" * 120 + "/" + "f" * 90: b"by prefix"}),
        (tarfile.GNU_FORMAT, FILES | SPECIAL),
        (tarfile.PAX_FORMAT, FILES | SPECIAL),
    ],
    ids=["ustar", "ustar with a prefix", "gnu", "pax"],
)
@pytest.mark.parametrize("level", [0, 1, 9])
def test_what_python_writes_is_read(tmp_path, form, files, level):
    packed = gzip.compress(of_python(files, format=form), level)
    assert unpacked(packed, tmp_path / "out") == files


def of_tar(folder, *options):
    return subprocess.run(
        ["tar", *options, "-cf", "-", "-C", folder, "."], check=True, capture_output=True
    ).stdout


@pytest.mark.skipif(shutil.which("tar") is None, reason="there is no tar")
@pytest.mark.parametrize(
    "options",
    [
        ["--format=v7"],
        ["--format=oldgnu"],
        ["--format=gnu"],
        ["--format=ustar"],
        ["--format=posix"],
        ["--format=posix", "--pax-option=globexthdr.name=g,comment:=all"],
        ["--format=gnu", "--listed-incremental=SNAPSHOT"],
        ["--format=posix", "--listed-incremental=SNAPSHOT"],
        ["--label=a volume"],
        ["--format=posix", "--label=a volume"],
        ["-b", "1"],
        ["-b", "200"],
        ["--numeric-owner", "--owner=4000000000", "--group=4000000000"],
        ["--mtime=@-1000", "--format=gnu"],
    ],
    ids=" ".join,
)
def test_what_gnu_tar_writes_is_read(tmp_path, options):
    files = FILES if "v7" in options[0] or "ustar" in options[0] else FILES | SPECIAL
    for name, content in files.items():
        place = tmp_path / "in" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    options = [option.replace("SNAPSHOT", str(tmp_path / "snapshot")) for option in options]
    packed = gzip.compress(of_tar(tmp_path / "in", *options), 1)
    assert unpacked(packed, tmp_path / "out") == files


@pytest.mark.skipif(shutil.which("gzip") is None, reason="there is no gzip")
@pytest.mark.parametrize("options", [["-1"], ["-9"], ["--rsyncable"], ["-n"]], ids=" ".join)
def test_what_gzip_writes_is_read(tmp_path, options):
    tar = of_python(FILES)
    (tmp_path / "name.tar").write_bytes(tar)
    packed = subprocess.run(
        ["gzip", "-c", *options, "name.tar"], check=True, capture_output=True, cwd=tmp_path
    ).stdout
    assert unpacked(packed, tmp_path / "out") == FILES


def blocks(content, *, size=700, field=True):
    """As bgzip: small members, each with its length in an extra field, and an empty one."""
    out = b""
    for start in (*range(0, len(content), size), len(content)):
        part = content[start : start + size]
        deflated = zlib.compressobj(wbits=-15)
        body = deflated.compress(part) + deflated.flush()
        length = struct.pack("<HccHH", 6, b"B", b"C", 2, len(body) + 25)
        head = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + length
        if not field:
            head = b"\x1f\x8b\x08\x00" + bytes(5) + b"\x03"
        out += head + body + struct.pack("<II", zlib.crc32(part), len(part))
    return out


def with_flushes(content):
    """As pigz: one member in blocks that were deflated each for itself."""
    deflater = zlib.compressobj(wbits=31)
    parts = [
        deflater.compress(content[start : start + 600]) + deflater.flush(zlib.Z_FULL_FLUSH)
        for start in range(0, len(content), 600)
    ]
    return b"".join(parts) + deflater.flush()


@pytest.mark.parametrize(
    "pack",
    [
        blocks,
        lambda tar: blocks(tar, field=False),
        with_flushes,
        lambda tar: gzip.compress(tar) + bytes(10_000),
        lambda tar: gzip.compress(b"") + gzip.compress(tar) + gzip.compress(b""),
        lambda tar: gzip.compress(tar[:1024]) + gzip.compress(tar[1024:]),
        lambda tar: gzip.compress(tar[:777]) + gzip.compress(tar[777:]),
        lambda tar: gzip.compress(tar + bytes(100_000)),
    ],
    ids=[
        "bgzip",
        "many members",
        "pigz",
        "zeros behind it",
        "empty members",
        "cut between members",
        "cut within one",
        "a large record",
    ],
)
def test_gzip_in_all_its_forms_is_read(tmp_path, pack):
    assert unpacked(pack(of_python(FILES)), tmp_path / "out") == FILES


def mac_member(name, content):
    """As tar of macOS writes a file with attributes: a file beside it and binary records."""
    double = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(100)
    facts = records(
        {
            "mtime": b"1700000000.123456789",
            "LIBARCHIVE.creationtime": b"1700000000",
            "LIBARCHIVE.xattr.com.apple.provenance": b"AQIA/w==",
            "SCHILY.xattr.com.apple.provenance": b"\x01\x02\x00\xff=\n\n9 x=y\n",
        }
    )
    return (
        raw_header(b"._" + name, len(double))
        + padded(double)
        + extended(facts)
        + raw_header(name, len(content))
        + padded(content)
    )


def with_times_of_gnu(name, content):
    """A header of GNU tar with the times where POSIX has the beginning of the name."""
    header = bytearray(raw_header(name, len(content), magic=b"ustar  \0"))
    header[345:369] = b"14500000000\x0014500000000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + padded(content)


def with_signed_checksum(name, content):
    header = bytearray(raw_header(name, len(content)))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(byte - 256 * (byte > 127) for byte in header)
    return bytes(header) + padded(content)


@pytest.mark.parametrize(
    ("tar", "files"),
    [
        (mac_member(b"m.json", b"{}") + END, {"m.json": b"{}"}),
        (with_times_of_gnu(b"t", b"x") + END, {"t": b"x"}),
        (with_signed_checksum("ü".encode(), b"x") + END, {"ü": b"x"}),
        (raw_header(b"f", b"\x80" + (3).to_bytes(11, "big")) + padded(b"abc") + END, {"f": b"abc"}),
        (raw_header(b"f", b"     3      ") + padded(b"abc") + END, {"f": b"abc"}),
        (raw_header(b"f", 3, b"\0") + padded(b"abc") + END, {"f": b"abc"}),
        (raw_header(b"f", 3, b"7") + padded(b"abc") + END, {"f": b"abc"}),
        (raw_header(b"d/", 0, b"\0") + raw_header(b"d/f") + END, {"d/f": b""}),
        (raw_header(b"d", 4096, b"5") + raw_header(b"d/f") + END, {"d/f": b""}),
        (raw_header(b"d", 5, b"D") + padded(b"Yd/f\0") + raw_header(b"d/f") + END, {"d/f": b""}),
        (extended(b"n/1\0", b"L") + raw_header(b"cut") + END, {"n/1": b""}),
        (pax({"path": b"n"}, b"a") + raw_header(b"b") + END, {"n": b"", "b": b""}),
        (extended(records({"path": b"n", "size": b"3"})) + raw_header() + padded(b"abc") + END,
         {"n": b"abc"}),
        (extended(records({"path": b"all"}), b"g") + pax({"path": b"one"}) + END, {"one": b""}),
        (extended(records({"path": b"all"}), b"g") + extended(records({"path": b""}), b"g")
         + raw_header() + END, {"a": b""}),
        (extended(records({"hdrcharset": b"BINARY", "path": b"\xe4"})) + raw_header() + END,
         {"\udce4": b""}),
        (extended(records({"comment": b"x"}) + bytes(20)) + raw_header() + END, {"a": b""}),
        (raw_header(b"f") + raw_header(b"l", 4096, b"1", b"f") + raw_header(b"g") + END,
         {"f": b"", "l": b"", "g": b""}),
    ],
    ids=[
        "macOS", "GNU times", "signed checksum", "base 256", "spaces", "old file", "contiguous",
        "old folder", "folder with a size", "folder with a list", "GNU long name", "pax name",
        "pax size", "pax name for all", "pax name for all taken back", "Latin-1", "padded records",
        "link with a size",
    ],
)  # fmt: skip
def test_headers_of_other_programs_are_read(tmp_path, tar, files):
    found = unpacked(gzip.compress(tar), tmp_path / "out")
    assert {name: content for name, content in found.items() if "._" not in name} == files
