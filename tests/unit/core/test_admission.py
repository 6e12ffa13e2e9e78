"""Loads are refused before they take memory, and see what others were promised."""

from __future__ import annotations

import os

import pytest

from mme.core.admission import WORKER_BYTES, Admission, admission_of, admitted, fits
from mme.core.memory import MemoryReader, MemoryReading

MIB = 1024 * 1024


@pytest.fixture
def model_dir(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(bytes(8 * MIB))
    return folder


def terms(tmp_path, limit_bytes=None, high=1.0):
    folder = tmp_path / "loading"
    folder.mkdir(exist_ok=True)
    return Admission(folder, high, limit_bytes)


def test_terms_reach_a_worker_through_its_environment(tmp_path):
    given = terms(tmp_path, limit_bytes=5, high=0.8)
    assert admission_of(given.as_environment()) == given
    assert admission_of({}) is None


def test_what_others_were_promised_counts():
    reading = MemoryReading(limit_bytes=100, used_bytes=50)
    assert fits(reading, high=0.9, needed_bytes=40, promised_bytes=0)
    assert not fits(reading, high=0.9, needed_bytes=40, promised_bytes=1)


def test_a_load_that_fits_is_noted_while_it_runs_and_not_after(tmp_path, model_dir):
    given = terms(tmp_path)
    note = given.folder / str(os.getpid())
    with admitted(given, model_dir):
        assert int(note.read_text()) == WORKER_BYTES + 8 * MIB
    assert not note.exists()


def test_a_load_that_does_not_fit_is_a_memory_error_with_the_figures(tmp_path, model_dir):
    given = terms(tmp_path, limit_bytes=MemoryReader().read().used_bytes // 2)
    with pytest.raises(MemoryError, match="loading takes about 12 MiB"), admitted(given, model_dir):
        pytest.fail("it was let in")


def test_the_note_of_a_dead_worker_is_no_promise(tmp_path, model_dir):
    given = terms(tmp_path)
    (given.folder / "99999999").write_text(str(1 << 60))
    with admitted(given, model_dir):
        assert not (given.folder / "99999999").exists()


def test_without_terms_every_load_may_begin(model_dir):
    with admitted(None, model_dir):
        pass
