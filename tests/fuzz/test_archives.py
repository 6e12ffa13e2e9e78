"""Archives, changed anywhere: unpacked or refused, within bounds, and nothing beside the folder."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st

from mme.cache.extract import ExtractionLimits, extract
from mme.core.errors import ArtifactRejected
from tests.support.archives import extended, padded, pax, raw_header, records, tar_gz
from tests.support.fuzzing import fuzz

pytestmark = pytest.mark.hostile("archives")

KIB = 1024
LIMITS = ExtractionLimits(archive_bytes=64 * KIB, unpacked_bytes=16 * KIB, files=20)
END = bytes(1024)
WHOLE = gzip.decompress(
    tar_gz({"a": b"content", "sub/b": b"more" * 300, "sub/deep/" + "n" * 120: b"long"})
) + bytes(512)


def unpack(packed: bytes) -> None:
    """Unpack into a folder of its own; AssertionError if that did what it must not."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        folder = base / "out"
        folder.mkdir()
        try:
            extracted = extract(io.BytesIO(packed), folder, LIMITS, "u")
        except ArtifactRejected as error:
            reason = error.reason
        else:
            reason = ""
            assert extracted.files > 0
        assert len(reason) < 16 * KIB
        assert os.listdir(base) == ["out"]  # noqa: PTH208 - names only
        made = list(folder.rglob("*"))
        assert len(made) <= LIMITS.files
        assert not any(path.is_symlink() for path in made)
        files = [path for path in made if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= LIMITS.unpacked_bytes


def flipped(content: bytes, places: list[tuple[int, int]]) -> bytes:
    """`content` with bytes changed."""
    changed = bytearray(content)
    for place, mask in places:
        changed[place % len(changed)] ^= mask
    return bytes(changed)


FLIPS = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), max_size=4)
PACKED = gzip.compress(WHOLE) + gzip.compress(b"")


def test_a_changed_gzip_is_unpacked_or_refused():
    def check(places: list[tuple[int, int]], cut: int) -> None:
        unpack(flipped(PACKED, places)[: len(PACKED) - cut])

    assert fuzz(check, FLIPS, st.just(0) | st.integers(0, 40))


def test_a_changed_tar_is_unpacked_or_refused():
    def check(places: list[tuple[int, int]]) -> None:
        unpack(gzip.compress(flipped(WHOLE, places), 1))

    assert fuzz(check, FLIPS)


NAMES = st.lists(
    st.sampled_from(
        [b"a", b"b", b".", b"..", b"", b"/", b"\xff", b"\0", b"manifest.json", b"x" * 90]
    ),
    max_size=6,
).map(b"/".join)
KINDS = st.sampled_from([b"0", b"\0", b"1", b"2", b"3", b"5", b"7", b"D", b"S", b"V", b"M", b"Q"])
SIZES = st.sampled_from([0, 1, 511, 512, 513, 5000]) | st.binary(min_size=12, max_size=12)
CONTENTS = st.binary(max_size=600)
MEMBERS = st.builds(
    lambda name, size, kind, link, magic: raw_header(name[:100], size, kind, link[:100], magic),
    NAMES,
    SIZES,
    KINDS,
    NAMES,
    st.sampled_from([b"ustar\x0000", b"ustar  \0", bytes(8)]),
)
FILES = st.builds(
    lambda name, content: raw_header(name[:100], len(content)) + padded(content), NAMES, CONTENTS
)
RECORDS = st.dictionaries(
    st.sampled_from(["path", "linkpath", "size", "mtime", "GNU.sparse.size", "hdrcharset"]),
    NAMES | st.sampled_from([b"0", b"7", b"-1", b"9" * 30]),
    max_size=3,
)
EXTENDED = st.builds(
    extended,
    RECORDS.map(records) | NAMES | CONTENTS,
    st.sampled_from([b"x", b"g", b"L", b"K", b"X"]),
)
PAX = st.builds(lambda values, content: pax(values, b"p", content), RECORDS, CONTENTS)


def test_drawn_headers_with_right_checksums_are_unpacked_or_refused():
    def check(parts: list[bytes], end: bytes) -> None:
        unpack(gzip.compress(b"".join(parts) + end, 1))

    parts = st.lists(MEMBERS | FILES | EXTENDED | PAX, max_size=8)
    assert fuzz(check, parts, st.sampled_from([END, END, b"", b"x" * 512]))
