"""Gzip is read whole, in however many members, or refused as `gzip -t` refuses it."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.cache.gunzip import MOST_BARREN_BYTES, OUTPUT_BYTES, GzipReader
from mme.core.errors import ArtifactRejected

MIB = 1024 * 1024


class Dribble(io.BytesIO):
    """A source that gives a few bytes at a time, as a network may."""

    def read(self, size=-1):
        return super().read(min(size, 7) if size >= 0 else 7)


def read_all(
    packed, *, most_bytes=100 * MIB, most_read_bytes=100 * MIB, step=10_000, dribble=False
):
    source = Dribble(packed) if dribble else io.BytesIO(packed)
    reader = GzipReader(source, "s3://b/x", most_read_bytes, most_bytes)
    parts = []
    while part := reader.read(step):
        parts.append(part)
    assert reader.read(step) == b""
    return b"".join(parts)


def with_header(flags, fields, content=b"content"):
    """A member whose header has more fields."""
    deflated = zlib.compressobj(wbits=-15)
    body = deflated.compress(content) + deflated.flush()
    trailer = struct.pack("<II", zlib.crc32(content), len(content))
    return b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + fields + body + trailer


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    st.integers(1, 400),
    st.integers(0, 20),
    st.booleans(),
)
def test_members_one_after_the_other_are_one_content(contents, step, zeros, dribble):
    packed = b"".join(gzip.compress(content) for content in contents) + bytes(zeros)
    assert read_all(packed, step=step, dribble=dribble) == b"".join(contents)


@pytest.mark.parametrize("size", [0, 1, OUTPUT_BYTES - 1, OUTPUT_BYTES, OUTPUT_BYTES * 3 + 1])
def test_long_content_comes_out_whole(size):
    content = bytes(size)
    assert read_all(gzip.compress(content)) == content
    noise = os.urandom(size)
    assert read_all(gzip.compress(noise)) == noise


def test_blocks_with_an_extra_field_are_read(tmp_path):
    extra = struct.pack("<H", 6) + b"BC\x02\x00\xff\x00"
    assert read_all(with_header(4, extra) * 3) == b"content" * 3


@pytest.mark.hostile("archives")
@given(st.integers(1, 60))
def test_what_is_cut_anywhere_is_refused(cut):
    packed = gzip.compress(b"some content that is long enough to be cut", mtime=0)
    with pytest.raises(ArtifactRejected, match=r"cut off|empty|not gzip"):
        read_all(packed[: max(0, len(packed) - cut)])


@pytest.mark.hostile("archives")
@pytest.mark.parametrize("place", [-1, -5, 15])
def test_a_changed_byte_of_content_checksum_or_length_is_refused(place):
    packed = bytearray(gzip.compress(b"some content that is long enough to be cut"))
    packed[place] ^= 0x55
    with pytest.raises(ArtifactRejected, match="damaged"):
        read_all(bytes(packed))


@pytest.mark.hostile("archives")
def test_what_follows_and_is_not_gzip_is_refused():
    with pytest.raises(ArtifactRejected, match="damaged"):
        read_all(gzip.compress(b"x") + b"and more")


@pytest.mark.hostile("archives")
def test_compressed_and_decompressed_size_have_bounds():
    with pytest.raises(ArtifactRejected, match=r"s3://b/x.*larger than 1000 bytes when decompr"):
        read_all(gzip.compress(bytes(1001)), most_bytes=1000)
    with pytest.raises(ArtifactRejected, match="larger than 1000 bytes"):
        read_all(gzip.compress(os.urandom(2000)), most_read_bytes=1000)


@pytest.mark.hostile("archives")
@pytest.mark.parametrize(
    "packed",
    [
        with_header(8, b"n" * (2 * MOST_BARREN_BYTES) + b"\0"),
        with_header(16, b"c" * (2 * MOST_BARREN_BYTES) + b"\0"),
        gzip.compress(b"") * (2 * MOST_BARREN_BYTES // 20),
        with_header(0, b"\0\0\0\xff\xff" * (2 * MOST_BARREN_BYTES // 5)),
    ],
    ids=["name", "comment", "empty members", "empty blocks"],
)
def test_long_stretches_that_say_nothing_are_refused(packed):
    with pytest.raises(ArtifactRejected, match="say nothing"):
        read_all(packed)
