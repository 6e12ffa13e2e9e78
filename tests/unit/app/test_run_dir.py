"""The folder of a running endpoint: private, gone at the end, cleared up after the dead."""

from __future__ import annotations

import tempfile

import pytest

from mme.app.life import EndpointFailed
from mme.app.run_dir import LOCK, PREFIX, run_dir


@pytest.fixture
def temp(tmp_path, monkeypatch):
    """A temporary folder that is still to be made, as on an empty volume."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path / "tmp"
    tempfile.tempdir = None


def test_the_folder_is_there_inside_the_block_alone(temp):
    with run_dir() as folder:
        assert folder.parent == temp
        (folder / "socket").touch()
    assert list(temp.iterdir()) == []


def test_what_a_killed_endpoint_left_is_removed_and_a_living_ones_is_not(temp):
    dead = temp / f"{PREFIX}dead"
    dead.mkdir(parents=True)
    (dead / LOCK).touch()
    (dead / "logs").mkdir()
    with run_dir() as living, run_dir() as another:
        assert not dead.exists()
        assert living.exists()
        assert another.exists()


def test_no_folder_at_all_is_said_clearly(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "file" / "tmp"))
    with pytest.raises(EndpointFailed, match="TMPDIR="), run_dir():
        pass
