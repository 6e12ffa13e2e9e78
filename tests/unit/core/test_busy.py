"""Whether any worker answers, as a stop asks it."""

from __future__ import annotations

import os
import signal

from mme.core.busy import ENVIRONMENT, BusyFile, busy_file_of


def test_two_workers_answer_at_once_and_the_last_one_to_end_counts(tmp_path):
    path = tmp_path / "busy"
    owner, first, second = BusyFile(path), BusyFile(path), BusyFile(path)
    assert not owner.is_anybody_answering()
    with first.answering():
        with second.answering():
            assert owner.is_anybody_answering()
        assert owner.is_anybody_answering()
    assert not owner.is_anybody_answering()
    for each in (owner, first, second):
        each.close()


def test_a_worker_that_is_killed_answers_nothing(tmp_path):
    owner = BusyFile(tmp_path / "busy")
    read_end, write_end = os.pipe()
    if (worker := os.fork()) == 0:
        with BusyFile(tmp_path / "busy").answering():
            os.write(write_end, b".")
            signal.pause()
    os.read(read_end, 1)
    assert owner.is_anybody_answering()
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    assert not owner.is_anybody_answering()
    owner.close()
    os.close(read_end)
    os.close(write_end)


def test_the_file_is_named_in_the_environment_or_there_is_none(tmp_path):
    assert busy_file_of({}) is None
    found = busy_file_of({ENVIRONMENT: str(tmp_path / "busy")})
    assert found is not None
    found.close()
