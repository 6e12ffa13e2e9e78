"""Frames of an event stream, as botocore's own decoder reads them."""

from __future__ import annotations

import json

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from mme.gateway.event_stream import (
    MOST_BYTES,
    ErrorCode,
    internal_failure,
    model_error,
    part_frames,
)


def read(data: bytes):
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [message.to_response_dict() for message in buffer]


@given(st.binary(min_size=1))
def test_a_piece_is_one_event_with_its_bytes(body):
    (event,) = read(b"".join(part_frames(body)))
    assert event["body"] == body
    assert event["headers"] == {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }


def test_a_long_piece_is_cut_into_several():
    body = bytes(range(256)) * (MOST_BYTES // 100)
    events = read(b"".join(part_frames(body)))
    assert [len(event["body"]) for event in events[:-1]] == [MOST_BYTES, MOST_BYTES]
    assert b"".join(event["body"] for event in events) == body


def test_of_nothing_no_frame_is_made():
    assert list(part_frames(b"")) == []


@pytest.mark.parametrize(
    ("frame", "kind", "content"),
    [
        (
            model_error("läuft nicht", ErrorCode.TIMED_OUT),
            "ModelStreamError",
            {"Message": "läuft nicht", "ErrorCode": "ModelInvocationTimeExceeded"},
        ),
        (
            model_error("x" * 3000, ErrorCode.BROKEN),
            "ModelStreamError",
            {"Message": "x" * 3000, "ErrorCode": "StreamBroken"},
        ),
        (internal_failure("ours"), "InternalStreamFailure", {"Message": "ours"}),
    ],
)
def test_an_error_is_an_exception_that_says_why(frame, kind, content):
    (event,) = read(frame)
    assert event["status_code"] == 400
    assert event["headers"][":exception-type"] == kind
    assert json.loads(event["body"]) == content
