"""Headers on the way through the model server: what the handler sees, and what comes back."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from mme.core.door import Answer, Question
from mme.core.through_mms import (
    CONTENT_TYPE,
    PLAIN_BYTES,
    answer_headers,
    answer_of,
    handler_headers,
    request_headers,
)  # fmt: skip

ASKED = Question("m", "/m", "/s", {"content-type": "text/csv", "X-A": "b"}, b"1,2")
OURS = {"X-Mme-Model": "m", "X-Mme-Model-Dir": "/m", "X-Mme-Scratch-Dir": "/s"}


def test_the_model_server_is_sent_plain_bytes_and_the_callers_type_beside_them():
    sent = request_headers(ASKED)
    assert sent == OURS | {"X-A": "b", "Content-Type": PLAIN_BYTES, CONTENT_TYPE: "text/csv"}


def test_the_handler_sees_what_the_caller_sent_and_the_model():
    received = request_headers(ASKED) | {"Host": "localhost", "Content-Length": "3"}
    assert handler_headers(received) == OURS | {"content-type": "text/csv", "X-A": "b"}


def test_without_a_content_type_the_handler_sees_none():
    asked = Question("", "", "", {}, b"")
    assert handler_headers(request_headers(asked)) == {}


def test_the_limit_of_the_answer_goes_with_the_question():
    limited = dataclasses.replace(ASKED, answer_limit_bytes=5)
    assert request_headers(limited) == request_headers(ASKED) | {"X-Mme-Answer-Limit-Bytes": "5"}


def test_headers_of_others_than_the_endpoint_are_left_as_they_are():
    received = {"Content-Type": "text/plain", "host": "h"}
    assert handler_headers(received) == {"Content-Type": "text/plain"}


def test_an_ordinary_answer_says_nothing_of_its_worker():
    assert answer_headers(0.0, is_unloadable=False, dropped=()) == {}


def test_an_answer_comes_back_without_our_headers():
    said = answer_headers(0.25, is_unloadable=True, dropped=["a", "b"])
    answer = answer_of(500, {"Content-Type": "a/b"} | said, b"x")
    assert answer == Answer(500, {"content-type": "a/b"}, b"x", 0.25, True, ("a", "b"))


@given(
    st.dictionaries(
        st.sampled_from(["x-mme-load-s", "X-Mme-Dropped", "a"]), st.text() | st.floats().map(str)
    )
)
def test_whatever_headers_come_back_they_are_an_answer(headers):
    answer = answer_of(200, headers, b"")
    assert answer.load_s >= 0
    assert all(answer.dropped)
