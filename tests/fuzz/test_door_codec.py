"""Bytes at a worker's door: whatever they are, they are messages or a DoorError."""

from __future__ import annotations

from hypothesis import strategies as st

from mme.core.door import (
    BODY_LIMIT_BYTES,
    HEAD_LIMIT_BYTES,
    PREFIX,
    VERSION,
    DoorError,
    decode,
    encode,
    lengths,
)
from tests.support.fuzzing import fuzz

ANY_PREFIX = st.binary(min_size=PREFIX.size, max_size=PREFIX.size)
OUR_PREFIX = st.builds(
    PREFIX.pack,
    st.just(VERSION),
    st.integers(0, 8),
    st.integers(0, 1 << 20),
    st.integers(0, (1 << 32) - 1),
)
HEADS = st.binary(max_size=200) | st.lists(
    st.text(max_size=8) | st.integers().map(str) | st.just("nan"), max_size=9
).map(lambda fields: "\0".join(fields).encode("utf-8", "replace"))


def test_a_prefix_is_lengths_within_the_limits_or_refused():
    def check(prefix: bytes) -> None:
        try:
            _, head_bytes, body_bytes = lengths(prefix)
        except DoorError:
            return
        assert head_bytes <= HEAD_LIMIT_BYTES
        assert body_bytes <= BODY_LIMIT_BYTES

    assert fuzz(check, ANY_PREFIX | OUR_PREFIX)


def test_a_frame_is_a_message_or_refused_and_a_message_comes_back_as_it_was():
    def check(kind: int, head: bytes, body: bytes) -> None:
        try:
            message = decode(kind, head, body)
        except DoorError:
            return
        frame = encode(message)
        _, head_bytes, body_bytes = lengths(frame[: PREFIX.size])
        assert len(frame) == PREFIX.size + head_bytes + body_bytes
        again = decode(
            kind, frame[PREFIX.size : PREFIX.size + head_bytes], frame[PREFIX.size + head_bytes :]
        )
        assert again == message

    assert fuzz(check, st.integers(0, 8), HEADS, st.binary(max_size=100))
