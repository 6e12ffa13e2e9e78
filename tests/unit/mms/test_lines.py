"""Lines of the model server in our log."""

from __future__ import annotations

import json
import logging

import pytest

from mme.core.child_lines import remember
from mme.core.worker_line import WorkerLine, encode
from mme.mms.lines import mms_line


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.DEBUG)

    def read():
        return [(r.name, r.levelno, r.getMessage(), r.target_model) for r in caplog.records]

    return read


def said(kind: str, level: str, message: str, thread: str = "main") -> str:
    return json.dumps(
        {"mms": kind, "level": level, "thread": thread, "message": message},
        separators=(",", ":"),
    )


def test_its_own_lines_have_their_level(logged):
    mms_line(said("server", "ERROR", "out of threads"))
    mms_line(said("server", "WARN", "slow "))
    assert logged() == [
        ("mms", logging.ERROR, "out of threads", ""),
        ("mms", logging.WARNING, "slow", ""),
    ]


def test_a_line_of_a_worker_is_of_the_model_the_worker_is_for(logged):
    remember("w900001", "m.tar.gz")
    mms_line(said("worker", "WARN", "from C", "W-9000-w900001-stderr"))
    mms_line(said("worker", "INFO", "of the pool", "W-9000-w900002-stdout"))
    assert logged() == [
        ("worker", logging.WARNING, "from C", "m.tar.gz"),
        ("worker", logging.INFO, "of the pool", ""),
    ]


def test_a_line_with_a_tag_is_the_workers_own(logged):
    line = WorkerLine(logging.INFO, "mine", "words\nand more", "a.tar.gz", "r1")
    mms_line(said("worker", "INFO", encode(line), "W-9000-w900003-stdout"))
    assert logged() == [("mine", logging.INFO, "words\nand more", "a.tar.gz")]


def test_what_a_worker_prints_is_no_line_of_the_model_server(logged):
    mms_line(said("worker", "INFO", said("server", "FATAL", "forged"), "W-9000-w900004-stdout"))
    assert [(name, level) for name, level, *_ in logged()] == [("worker", logging.INFO)]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Model server started.", logging.INFO),
        ("# A fatal error has been detected by the Java Runtime Environment:", logging.WARNING),
        ('{"mms":"server","level":"WARN"', logging.WARNING),
        ('{"mms":"server"}', logging.WARNING),
        ('{"mms":"server","level":["WARN"],"message":"x"}', logging.WARNING),
    ],
)
def test_what_java_says_itself_is_told_as_it_comes(logged, text, level):
    mms_line(text)
    assert logged() == [("mms", level, text, "")]
