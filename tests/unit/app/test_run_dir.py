"""The folder of a running endpoint: private, gone at the end, cleared up after the dead."""

from __future__ import annotations

import os
import subprocess
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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.hostile("surroundings")
def test_where_no_program_may_run_that_is_said_with_the_setting(temp):
    temp.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "noexec,size=1m", "none", str(temp)], check=False
    ).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(EndpointFailed, match=r"noexec\): set TMPDIR"), run_dir():
            pass
    finally:
        subprocess.run(["umount", str(temp)], check=True)


def test_a_folder_that_cannot_be_written_is_told_where_another_one_is_used(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "usable").mkdir()
    (tmp_path / "named").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "named"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "usable"))
    with run_dir() as folder:
        assert folder.parent == tmp_path / "usable"
    assert "named cannot be written" in caplog.text
