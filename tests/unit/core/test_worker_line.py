"""Lines of workers on their way into the log."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mme.core import child_lines
from mme.core.worker_line import MARK, MOST_CHARS, WorkerLine, decode, encode

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
LINES = st.builds(
    WorkerLine, st.sampled_from([10, 20, 30, 40, 50]), ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT,
    ANY_TEXT,
)  # fmt: skip


@given(LINES)
def test_a_line_comes_as_it_was_said_and_travels_as_one_line_of_ascii(line):
    written = encode(line)
    assert written.isascii()
    assert written.isprintable()
    assert decode(written) == line


@pytest.mark.parametrize(
    "text",
    ["", "words", MARK, MARK + "{}}", MARK + "1}", MARK + "[]}", MARK + '[20,"a","b","c","d"]}',
     MARK + '[true,"a","b","c","d","e"]}', MARK + '[20,"a","b","c","d",5]}',
     MARK + "[" * 10_000, '{"other":1}'],
)  # fmt: skip
def test_what_no_worker_of_ours_has_said_is_no_line(text):
    assert decode(text) is None


def test_a_level_that_there_is_not_is_the_nearest():
    (low, high) = (decode(f'{MARK}[{level},"a","b","c","d","e"]}}') for level in (-5, 10**9))
    assert low is not None
    assert high is not None
    assert (low.level, high.level) == (logging.DEBUG, logging.CRITICAL)


def test_a_long_line_is_cut():
    line = decode(encode(WorkerLine(20, "a", "m" * 10**6, trace="t" * 10**6 + "end")))
    assert line is not None
    assert len(line.message) == len(line.trace) == MOST_CHARS
    assert line.trace.endswith("tend")


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.DEBUG)

    def read():
        return [
            (r.name, r.levelno, r.getMessage(), r.target_model, r.request_id)
            for r in caplog.records
        ]

    return read


OTHERWISE = WorkerLine(logging.WARNING, "worker", "", "m.tar.gz")


def test_a_tagged_line_is_logged_as_its_worker_said_it(logged):
    line = WorkerLine(logging.INFO, "mine", "words", "a.tar.gz", "r1")
    child_lines.write_line(encode(line), OTHERWISE)
    assert logged() == [("mine", logging.INFO, "words", "a.tar.gz", "r1")]


def test_a_line_without_a_tag_is_logged_by_what_is_known_of_its_worker(logged):
    child_lines.write_line("from C", OTHERWISE)
    child_lines.write_line(encode(WorkerLine(logging.INFO, "mine", "at load")), OTHERWISE)
    assert logged() == [
        ("worker", logging.WARNING, "from C", "m.tar.gz", ""),
        ("mine", logging.INFO, "at load", "m.tar.gz", ""),
    ]


def test_lines_below_the_level_are_left_out(logged, caplog):
    caplog.set_level(logging.INFO)
    child_lines.write_line(encode(WorkerLine(logging.DEBUG, "mine", "words")), OTHERWISE)
    assert logged() == []


def test_loggers_are_not_made_without_end(logged, monkeypatch):
    monkeypatch.setattr(child_lines, "MOST_WRITERS", 1)
    monkeypatch.setattr(child_lines, "_writers", {})
    for name in ("first", "second", "third"):
        child_lines.write_line(encode(WorkerLine(logging.INFO, name, "words")), OTHERWISE)
    assert [name for name, *_ in logged()] == ["first", "others", "others"]
    assert len(child_lines._writers) <= 3


def test_only_the_last_workers_are_remembered(monkeypatch):
    monkeypatch.setattr(child_lines, "MOST_WORKERS", 2)
    monkeypatch.setattr(child_lines, "_targets", type(child_lines._targets)())
    for number in range(3):
        child_lines.remember(f"w{number}", f"m{number}")
    assert [child_lines.target_of(f"w{number}") for number in range(3)] == ["", "m1", "m2"]


def test_json_a_handler_prints_is_no_tag(logged):
    child_lines.write_line(json.dumps({"mms": "server"}), OTHERWISE)
    assert logged()[0][0] == "worker"
