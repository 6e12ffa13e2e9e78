import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.jobs.transform import crc32c as module
from mme.jobs.transform.crc32c import LONG_BYTES, crc32c, masked_crc32c
from mme.jobs.transform.errors import BadInput
from mme.jobs.transform.records import MAGIC, Record, split

LIMIT = 1024 * 1024
lines = st.binary(min_size=1, max_size=40).filter(lambda line: b"\n" not in line and line.strip())


def chunked(content, sizes):
    """`content` in pieces of these sizes, in turn."""
    at, number = 0, 0
    while at < len(content):
        size = sizes[number % len(sizes)]
        yield content[at : at + size]
        at, number = at + size, number + 1


def recordio(data):
    """The documented framing of a record, cut where the magic number stands at a multiple of 4."""
    pieces, at = [], 0
    for place in range(0, len(data) - 3, 4):
        if data[place : place + 4] == MAGIC and place >= at:
            pieces.append(data[at:place])
            at = place + 4
    pieces.append(data[at:])
    framed = b""
    for number, piece in enumerate(pieces):
        is_first, is_last = number == 0, number == len(pieces) - 1
        kind = 0 if is_first and is_last else 1 if is_first else 3 if is_last else 2
        padding = b"\0" * (-len(piece) % 4)
        framed += MAGIC + struct.pack("<I", kind << 29 | len(piece)) + piece + padding
    return framed


def tfrecord(data):
    length = struct.pack("<Q", len(data))
    checks = [struct.pack("<I", masked_crc32c(each)) for each in (length, data)]
    return length + checks[0] + data + checks[1]


sizes = st.lists(st.integers(1, 50), min_size=1, max_size=4)
binaries = st.lists(st.one_of(st.binary(max_size=60), st.just(b"abcd" + MAGIC + b"x")), max_size=6)


@given(st.lists(lines, max_size=20), sizes)
def test_lines_joined_are_the_input(found, pieces):
    content = b"".join(line + b"\n" for line in found)
    records = list(split(chunked(content, pieces), "Line", LIMIT))
    assert [record.bare for record in records] == found
    assert b"".join(record.framed for record in records) == content


@given(binaries, sizes)
def test_recordio_gives_what_was_framed_and_keeps_the_frames(found, pieces):
    content = b"".join(map(recordio, found))
    records = list(split(chunked(content, pieces), "RecordIO", LIMIT))
    assert [record.bare for record in records] == found
    assert b"".join(record.framed for record in records) == content


@given(binaries, sizes)
def test_tfrecord_gives_what_was_framed_and_keeps_the_frames(found, pieces):
    content = b"".join(map(tfrecord, found))
    records = list(split(chunked(content, pieces), "TFRecord", LIMIT))
    assert [record.bare for record in records] == found
    assert b"".join(record.framed for record in records) == content


@given(st.binary(max_size=200), sizes)
def test_without_a_split_the_input_is_one_record(content, pieces):
    records = list(split(chunked(content, pieces), "None", LIMIT))
    assert [record.bare for record in records] == ([content] if content else [])


@given(st.binary(max_size=100), st.sampled_from(["RecordIO", "TFRecord"]))
def test_bytes_of_any_kind_are_records_or_refused(content, split_type):
    records, refused = list[Record](), False
    try:
        records += split([content], split_type, LIMIT)
    except BadInput:
        refused = True
    assert refused or b"".join(record.framed for record in records) == content


def test_a_last_line_without_an_end_is_a_record_and_empty_lines_are_none():
    records = list(split([b"a\r\n\n  \nb"], "Line", LIMIT))
    assert [record.bare for record in records] == [b"a\r", b"b"]


def test_the_checksum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"\0" * 32) == 0x8A9136AA


@pytest.mark.parametrize("extra", [0, 1, 1023, 5000])
def test_long_data_has_the_checksum_that_its_bytes_have_one_by_one(extra, monkeypatch):
    data = random.Random(extra).randbytes(LONG_BYTES + extra)  # noqa: S311 - a test's
    found = crc32c(data)
    monkeypatch.setattr(module, "LONG_BYTES", 2 * len(data))
    assert found == crc32c(data)


@pytest.mark.parametrize("place", [3, 9, 14, -1])
def test_a_tfrecord_with_a_wrong_bit_is_refused(place):
    content = bytearray(tfrecord(b"abcdef"))
    content[place] ^= 1
    with pytest.raises(BadInput, match="does not fit its checksum"):
        list(split([bytes(content)], "TFRecord", LIMIT))


@pytest.mark.parametrize("framing", [recordio, tfrecord])
def test_a_framing_that_is_cut_off_is_told_with_its_record(framing):
    content = framing(b"first") + framing(b"second")
    split_type = "RecordIO" if framing is recordio else "TFRecord"
    with pytest.raises(BadInput, match="record 2 is cut off"):
        list(split([content[:-1]], split_type, LIMIT))


def test_a_piece_of_recordio_out_of_order_is_refused():
    with pytest.raises(BadInput, match="record 1 has a piece out of order"):
        list(split([MAGIC + struct.pack("<I", 3 << 29)], "RecordIO", LIMIT))


@pytest.mark.parametrize(
    ("split_type", "content"),
    [
        ("None", b"x" * 200),
        ("Line", b"x" * 200),
        ("Line", b"x" * 200 + b"\n"),
        ("RecordIO", recordio(b"x" * 200)),
        ("TFRecord", tfrecord(b"x" * 200)),
    ],
)
def test_a_record_above_the_limit_is_refused_before_it_is_read_whole(split_type, content):
    read = []

    def pieces():
        for piece in chunked(content + b"y" * 10_000, [50]):
            read.append(len(piece))
            yield piece

    with pytest.raises(BadInput, match="larger than the 100 bytes"):
        list(split(pieces(), split_type, 100))
    assert sum(read) <= 250


def test_a_length_that_claims_too_much_reads_nothing_for_it():
    head = struct.pack("<Q", 2**62)
    head += struct.pack("<I", masked_crc32c(head))
    with pytest.raises(BadInput, match="larger"):
        list(split([head], "TFRecord", LIMIT))
