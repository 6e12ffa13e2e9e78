"""The door's frames: what goes in comes out, and what is no frame is an error and nothing else."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.core.door import (
    ANSWER,
    BODY_LIMIT_BYTES,
    HEAD_LIMIT_BYTES,
    HELLO,
    MOST_TOGETHER,
    PREFIX,
    QUESTION,
    SEPARATOR,
    TOGETHER,
    VERSION,
    Answer,
    Done,
    DoorError,
    Drop,
    Hello,
    Part,
    Question,
    Together,
    decode,
    encode,
    lengths,
)  # fmt: skip

TEXTS = st.text(st.characters(exclude_characters=SEPARATOR, exclude_categories=["Cs"]))
NAMES = TEXTS.filter(bool)
HEADERS = st.dictionaries(TEXTS, TEXTS, max_size=5)
TIMES = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
MESSAGES = st.one_of(
    st.builds(Hello, st.integers(), st.integers()),
    st.builds(
        Question, TEXTS, TEXTS, TEXTS, HEADERS, st.binary(), st.none() | st.integers(0),
        st.booleans(),
    ),
    st.builds(Drop, st.lists(NAMES, max_size=5)),
    st.just(Done()),
    st.builds(Together, st.integers(2, MOST_TOGETHER)),
    st.builds(Part, st.binary(), HEADERS),
    st.builds(
        Answer, st.integers(100, 599), HEADERS, st.binary(), TIMES, st.booleans(),
        st.lists(TEXTS, max_size=4),
    ),
)  # fmt: skip


def read(frame: bytes):
    kind, head_bytes, body_bytes = lengths(frame[: PREFIX.size])
    body_at = PREFIX.size + head_bytes
    assert len(frame) == body_at + body_bytes
    return decode(kind, frame[PREFIX.size : body_at], frame[body_at:])


@given(MESSAGES)
def test_a_message_comes_out_as_it_went_in(message):
    assert read(encode(message)) == message


def test_bytes_of_no_charset_pass_through_paths_and_headers():
    name = b"\xff\xfe".decode("utf-8", "surrogateescape")
    asked = Question("m", f"/{name}", "", {"a": name}, b"")
    assert read(encode(asked)) == asked


@given(st.binary(min_size=PREFIX.size, max_size=PREFIX.size))
def test_any_prefix_is_bounded_lengths_or_an_error(prefix):
    with contextlib.suppress(DoorError):
        kind, head_bytes, body_bytes = lengths(prefix)
        assert HELLO <= kind <= TOGETHER
        assert head_bytes <= HEAD_LIMIT_BYTES
        assert body_bytes <= BODY_LIMIT_BYTES


HEADS = st.binary() | st.lists(TEXTS | st.integers().map(str)).map(
    lambda fields: SEPARATOR.join(fields).encode()
)


@given(st.integers(0, 255), HEADS, st.binary())
def test_any_head_is_a_message_or_an_error(kind, head, body):
    with contextlib.suppress(DoorError):
        message = decode(kind, head, body)
        assert HELLO <= kind <= TOGETHER
        assert decode(kind, head, body) == message


@pytest.mark.parametrize(
    "message",
    [
        Question("a\0b", "", "", {}, b""),
        Question("a", "", "", {"x": "y\0z"}, b""),
        Drop(["a\0b"]),
        Answer(200, {"x\0": ""}, b""),
        Question("\ud800", "", "", {}, b""),
        Question("a", "", "", {"x": "y" * HEAD_LIMIT_BYTES}, b""),
    ],
)
def test_what_would_be_read_as_something_else_is_not_sent(message):
    with pytest.raises(DoorError):
        encode(message)


@pytest.mark.parametrize(
    ("version", "kind", "head_bytes", "body_bytes"),
    [
        (VERSION + 1, HELLO, 0, 0),
        (VERSION, 0, 0, 0),
        (VERSION, TOGETHER + 1, 0, 0),
        (VERSION, QUESTION, HEAD_LIMIT_BYTES + 1, 0),
        (VERSION, QUESTION, 0, BODY_LIMIT_BYTES + 1),
    ],
)
def test_a_prefix_that_no_one_sends_is_an_error(version, kind, head_bytes, body_bytes):
    with pytest.raises(DoorError):
        lengths(PREFIX.pack(version, kind, head_bytes, body_bytes))


@pytest.mark.parametrize(
    "fields",
    [
        [], ["200"], ["x", "0.0", "", "0"], ["200", "x", "", "0"], ["200", "0.0", "", "x"],
        ["200", "0.0", "", "2", "only-one"], ["200", "0.0", "", "-1", "a"],
        ["200", "0.0", "", "0", "a header without a value"],
        ["200", "nan", "", "0"], ["200", "inf", "", "0"], ["200", "-1.0", "", "0"],
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_is_an_error(fields):
    with pytest.raises(DoorError):
        decode(ANSWER, SEPARATOR.join(fields).encode(), b"")


@pytest.mark.parametrize("head", [b"", b"x", b"0", b"1", b"-2", b"2\x002", b"1025"])
def test_questions_that_follow_are_several_and_not_too_many(head):
    with pytest.raises(DoorError):
        decode(TOGETHER, head, b"")


def test_no_names_to_drop_are_none():
    assert read(encode(Drop([]))) == Drop([])


def test_bodies_are_taken_as_they_are_read():
    place = bytearray(b"abc")
    asked = decode(QUESTION, b"m" + b"\0" * 6, place)
    assert isinstance(asked, Question)
    assert asked.body is place
