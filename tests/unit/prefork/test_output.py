"""What a worker says: each line with its model and its request."""

from __future__ import annotations

import logging
import os

import pytest

from mme.core.worker_line import decode
from mme.prefork.output import LONGEST_BYTES, Output, RecordsSaid


@pytest.fixture
def output(tmp_path):
    """An output into a file; `said()` are its lines so far."""
    path = tmp_path / "said"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    made = Output(descriptor)
    yield made, lambda: [decode(line) for line in path.read_text("ascii").splitlines()]
    os.close(descriptor)


def test_a_printed_line_is_said_with_its_model_and_request(output):
    made, said = output
    stream = made.stream(logging.INFO, "stdout")
    print("before", file=stream)
    made.begin("m.tar.gz", "r1")
    print("größe\x1b", file=stream)
    made.end()
    print("after", file=stream)
    assert [(line.message, line.target, line.request_id) for line in said()] == [
        ("before", "", ""),
        ("größe\x1b", "m.tar.gz", "r1"),
        ("after", "", ""),
    ]


def test_what_has_no_line_break_is_said_at_the_end_of_the_request(output):
    made, said = output
    stream = made.stream(logging.WARNING, "stderr")
    made.begin("m.tar.gz", "r1")
    stream.write("no end")
    stream.flush()
    assert said() == []
    made.end()
    (line,) = said()
    assert (line.message, line.request_id, line.level) == ("no end", "r1", logging.WARNING)


def test_bytes_and_several_lines_at_once_are_lines_too(output):
    made, said = output
    stream = made.stream(logging.INFO, "stdout")
    stream.buffer.write(b"one\r\n\ntwo \xff\nthr")
    stream.buffer.write(b"ee\n")
    stream.flush()
    assert [line.message for line in said()] == ["one", "two \\xff", "three"]


def test_a_line_without_end_is_said_in_pieces(output):
    made, said = output
    made.stream(logging.INFO, "stdout").buffer.raw.write(b"x" * (5 * LONGEST_BYTES + 1))
    made.end()
    assert sum(len(line.message) for line in said()) <= 5 * LONGEST_BYTES + 1
    assert len(said()) == 6


def test_numbers_for_the_model_server_are_left_out(output):
    made, said = output
    print("[METRICS]PredictionTime.ms:1|#Level:Model", file=made.stream(logging.INFO, "stdout"))
    assert said() == []


def test_a_stream_that_was_closed_does_not_end_the_worker(output):
    made, said = output
    made.stream(logging.INFO, "stdout").close()
    made.end()
    made.say(logging.INFO, "mine", "still here")
    assert [line.message for line in said()] == ["still here"]


def test_where_nobody_reads_nothing_fails():
    ours, theirs = os.pipe()
    os.close(ours)
    made = Output(theirs)
    made.say(logging.INFO, "mine", "words")
    os.close(theirs)
    made.say(logging.INFO, "mine", "words")
    assert made.target == ""


def test_a_record_is_said_with_its_level_and_trace(output):
    made, said = output
    made.begin("m.tar.gz", "r1")
    try:
        raise ValueError("why\nnot")  # noqa: TRY301
    except ValueError as error:
        trace = (type(error), error, error.__traceback__)
    record = logging.LogRecord("mine", logging.ERROR, "", 0, "failed at %s", ("x",), trace)
    RecordsSaid(made).handle(record)
    (line,) = said()
    assert (line.level, line.logger, line.message) == (logging.ERROR, "mine", "failed at x")
    assert line.trace.endswith("ValueError: why\nnot")
    assert line.request_id == "r1"


def test_a_stream_tells_where_it_writes(output):
    made, _ = output
    assert made.stream(logging.INFO, "stdout").fileno() == 1
    assert made.stream(logging.WARNING, "stderr").fileno() == 2
