"""Log lines: in order, together, and never lost."""

from __future__ import annotations

import io
import logging
import re
import sys
import weakref

import pytest

from mme.core.log import (
    EVERY_S,
    MOST_LINES,
    BatchingHandler,
    LineWriter,
    configure_logging,
    flush_log,
)
from mme.core.log_format import Stamps, one_line
from tests.support.fake_engine import until


class Timer:
    """A timer that rings when a test says so."""

    def __init__(self) -> None:
        self.waiting: list = []

    def call_later(self, delay_s: float, call) -> None:
        assert delay_s == EVERY_S
        self.waiting.append(call)

    def ring(self) -> None:
        waiting, self.waiting = self.waiting, []
        for call in waiting:
            call()


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def handler(timer, out) -> BatchingHandler:
    return BatchingHandler(out, timer.call_later)


def record(text: str, level: int = logging.INFO, created: float = 100.0) -> logging.LogRecord:
    made = logging.LogRecord("room", level, "", 0, text, (), None)
    made.created = created
    return made


def test_lines_wait_for_one_timer_and_are_written_in_order(handler, timer, out):
    for text in ("one", "two", "three"):
        handler.handle(record(text))
    assert out.getvalue() == ""
    assert len(timer.waiting) == 1
    timer.ring()
    assert out.getvalue() == "one\ntwo\nthree\n"
    handler.handle(record("four"))
    timer.ring()
    assert out.getvalue().endswith("three\nfour\n")


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_a_warning_is_written_at_once_with_what_came_before(handler, out, level):
    handler.handle(record("one"))
    handler.handle(record("two", level))
    assert out.getvalue() == "one\ntwo\n"


def test_many_lines_do_not_wait(handler, out):
    for _ in range(MOST_LINES):
        handler.handle(record("x"))
    assert out.getvalue().count("\n") == MOST_LINES


def test_without_a_loop_lines_are_written_at_once(out):
    handler = BatchingHandler(out)
    handler.handle(record("one"))
    assert out.getvalue() == "one\n"


def test_when_the_loop_ended_before_its_timer_lines_are_written_at_once(handler, out):
    handler.handle(record("one", created=100.0))
    handler.handle(record("two", created=100.05))
    assert out.getvalue() == ""
    handler.handle(record("three", created=101.0))
    assert out.getvalue() == "one\ntwo\nthree\n"


async def test_on_a_loop_lines_are_written_by_its_timer(out):
    handler = BatchingHandler(out)
    handler.handle(record("one"))
    assert out.getvalue() == ""
    await until(out.getvalue)
    assert out.getvalue() == "one\n"


def test_what_waits_is_written_when_logging_is_shut_down(handler, out):
    handler.handle(record("last"))
    logging.shutdown([weakref.ref(handler)])
    assert out.getvalue() == "last\n"


def test_a_stream_nobody_reads_is_no_failure(timer):
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    handler = BatchingHandler(Gone(), timer.call_later)
    handler.handle(record("one", logging.ERROR))
    closed = io.StringIO()
    closed.close()
    BatchingHandler(closed, timer.call_later).handle(record("one", logging.ERROR))


def test_the_time_of_a_line_is_that_of_its_second_and_milliseconds():
    stamps = Stamps()
    first, second, third = (stamps.at(wall_s) for wall_s in (1000.0015, 1000.9996, 1001.5))
    assert first[:-4] == second[:-4] != third[:-4]
    assert [text[-4:] for text in (first, second, third)] == [",001", ",999", ",500"]


@pytest.fixture
def configured(monkeypatch, out):
    """Logging as an endpoint has it, undone afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    kept = logging.logThreads, logging.logProcesses, logging.logMultiprocessing
    monkeypatch.setattr(sys, "stderr", out)
    for handler in before:
        root.removeHandler(handler)
    configure_logging("info")
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)
    logging.logThreads, logging.logProcesses, logging.logMultiprocessing = kept


def test_lines_without_a_record_look_like_all_others(configured, out):
    LineWriter("mme.room").write("one %s")
    logging.getLogger("mme.room").info("two %s", "words")
    logging.getLogger("mme.room").debug("three")
    one, two = out.getvalue().splitlines()
    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO    mme\.room: "
    assert re.fullmatch(form + "one %s", one)
    assert re.fullmatch(form + "two words", two)


async def test_what_waits_can_be_written_before_a_last_word(configured, out):
    logging.getLogger("mme.room").info("one")
    LineWriter("mme.room").write("two")
    assert out.getvalue() == ""
    flush_log()
    assert [line[-3:] for line in out.getvalue().splitlines()] == ["one", "two"]


def test_lines_without_a_record_keep_to_the_level(configured, out):
    logging.getLogger().setLevel(logging.WARNING)
    LineWriter("mme.room").write("one")
    assert out.getvalue() == ""


def test_where_logging_is_not_configured_by_us_lines_are_records(caplog):
    caplog.set_level(logging.INFO)
    LineWriter("mme.room").write("100 %")
    assert [(r.name, r.getMessage()) for r in caplog.records] == [("mme.room", "100 %")]


FORGED = {
    "line feed": "a\n2026-01-01 00:00:00,000 INFO    root: forged",
    "carriage return": "a\rb",
    "colours": "a\x1b[31mb",
    "bell and backspace": "a\x07\x08b",
    "C1": "a\x85b\x9bc",
    "line separator": "a\u2028b\u2029c",
    "vertical tab and form feed": "a\x0bb\x0cc",
    "file separators": "a\x1cb\x1dc\x1ed",
    "override of direction": "a\u202eb\u2066c",
    "zero width": "a\u200bb\ufeffc",
}


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_no_text_can_look_like_another_line_or_steer_a_terminal(configured, out, text):
    log = logging.getLogger("mme.room")
    log.warning("named %s", text)
    log.warning(text)
    LineWriter("mme.room").write(text)
    flush_log()
    lines = out.getvalue().split("\n")
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert all(re.match(r"\d{4}-\d\d-\d\d \S+ (WARNING|INFO   ) mme\.room: ", x) for x in lines[:3])


@pytest.mark.hostile("surroundings")
def test_half_a_surrogate_pair_is_escaped():
    # Not logged here: what captures logs of tests cannot pass it on.
    assert one_line("a\ud800b") == "a\\ud800b"


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_the_lines_of_a_trace_are_set_in_whatever_the_error_says(configured, out, text):
    try:
        raise ValueError(text)  # noqa: TRY301
    except ValueError:
        logging.getLogger("mme.room").exception("failed")
    first, *rest = out.getvalue().rstrip("\n").split("\n")
    assert first.endswith("ERROR   mme.room: failed")
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("text", ["", "plain größe", "a\\b", "日本語"])
def test_what_can_be_printed_stays_as_it_is(text):
    assert one_line(text) == text
