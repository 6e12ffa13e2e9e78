"""What a child writes is heard line by line, to its last word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mme.supervise import ChildProcess
from mme.supervise import output as module
from mme.supervise.output import LONGEST_BYTES, ChildOutput
from tests.support.fake_engine import until


@pytest.fixture
def run(tmp_path):
    """Runs a shell to its end; returns what it said."""

    async def run(script):
        lines: list[str] = []
        child = await ChildProcess.start(
            "shell", ["/bin/sh", "-c", script],
            environment=dict(os.environ), folder=tmp_path, on_line=lines.append,
        )  # fmt: skip
        await child.wait()
        await child.stop(grace_s=0)
        return lines

    return run


async def test_lines_of_both_streams_are_heard_and_empty_ones_are_not(run):
    assert await run("echo one; echo; echo two >&2; printf 'no end'") == ["one", "two", "no end"]


async def test_the_last_words_of_a_child_that_fails_are_heard(run):
    assert await run("seq 20000; exit 3") == [str(number) for number in range(1, 20001)]


async def test_what_is_no_text_is_escaped(run):
    assert await run(r"printf 'a\377b\r\n'") == ["a\\xffb"]


async def test_a_line_that_is_too_long_is_cut():
    lines: list[str] = []
    output = await ChildOutput.open(lines.append)
    for _ in range(10):
        output.data_received(b"x" * LONGEST_BYTES)
    output.data_received(b"\nnext\n")
    output.hand_over()
    await output.ended()
    assert [len(line) for line in lines] == [LONGEST_BYTES, 4]


async def test_a_pipe_that_somebody_keeps_open_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.01)
    lines: list[str] = []
    output = await ChildOutput.open(lines.append)
    os.write(output.descriptor, b"words\n")
    await output.ended()
    output.hand_over()
    assert lines == ["words"]


async def test_a_program_that_is_not_there_leaves_nothing_open(tmp_path):
    before = open_files()
    with pytest.raises(FileNotFoundError):
        await ChildProcess.start(
            "nothing", [str(tmp_path / "nothing")],
            environment={}, folder=tmp_path, on_line=lambda _: None,
        )  # fmt: skip
    await until(lambda: open_files() == before)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
