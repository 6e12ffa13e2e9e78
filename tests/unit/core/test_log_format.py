"""Lines of the log in JSON: each an object, whatever it tells of."""

from __future__ import annotations

import io
import json
import logging
import sys
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.core.log import BatchingHandler, line_of
from mme.core.log_format import JsonForm, Line, TextForm, form_named
from mme.core.log_ring import LogRing

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_whatever_is_told_a_line_of_json_is_one_object_in_ascii(logger, message, target, name, end):
    text = JsonForm().text(Line(1.5, logging.INFO, logger, message, target, name, end))
    assert text.isascii()
    assert text.isprintable()
    told = json.loads(text)
    assert (told["logger"], told["message"]) == (logger, message)
    assert told.get("target_model", "") == target
    assert told.get("request_id", "") == name
    assert told.get("trace", "") == end


@given(ANY_TEXT, ANY_TEXT)
def test_whatever_is_told_a_line_of_text_is_one_line(message, about):
    text = TextForm().text(Line(1.5, logging.INFO, "room", message, about=about))
    assert text.isprintable()


def test_a_line_of_json_has_its_time_in_utc_and_its_level():
    told = json.loads(JsonForm().text(Line(1.25, logging.WARNING, "room", "words")))
    assert told == {
        "at": "1970-01-01T00:00:01.250+00:00",
        "level": "WARNING",
        "logger": "room",
        "message": "words",
    }
    assert datetime.fromisoformat(told["at"]).timestamp() == 1.25


def test_what_is_known_besides_is_in_json_alone():
    line = Line(1.0, logging.INFO, "room", "words", members=lambda: ',"status":200')
    assert json.loads(JsonForm().text(line))["status"] == 200
    assert TextForm().text(line).endswith("INFO    room: words")


def test_what_a_line_is_about_stands_before_its_text():
    line = Line(1.0, logging.INFO, "room", "words", "m.tar.gz", "r1", about="m.tar.gz r1")
    assert TextForm().text(line).endswith("INFO    room [m.tar.gz r1]: words")


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_is_told_with_its_trace(form):
    out, ring = io.StringIO(), LogRing()
    handler = BatchingHandler(out, form=form_named(form), ring=ring)
    try:
        raise ValueError("a\nb")  # noqa: TRY301
    except ValueError:
        info = sys.exc_info()
    handler.handle(logging.LogRecord("room", logging.ERROR, "", 0, "failed", (), info))
    lines = out.getvalue().splitlines()
    (kept,) = ring.latest(limit=10)
    assert kept.trace.endswith("ValueError: a\nb")
    if form == "json":
        (told,) = map(json.loads, lines)
        assert told["trace"] == kept.trace
    else:
        assert lines[0].endswith("ERROR   room: failed")
        assert lines[-2:] == ["  ValueError: a", "  b"]


def test_a_record_may_name_its_model_and_request():
    record = logging.LogRecord("room", logging.INFO, "", 0, "words", (), None)
    record.target_model, record.request_id = "m.tar.gz", "r1"
    assert (line_of(record).target, line_of(record).request_id) == ("m.tar.gz", "r1")
