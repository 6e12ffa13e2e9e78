"""Whatever lies in a folder can be removed."""

from __future__ import annotations

import os
import resource
import sys

import pytest

from mme.cache.removal import move_aside, remove, remove_all


def dig(folder, depth):
    """A tree so deep that no path reaches its ground."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_file_a_link_a_fifo_and_a_folder_are_removed_and_nothing_else(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    doomed = tmp_path / "doomed"
    (doomed / "folder" / "inner").mkdir(parents=True)
    (doomed / "folder" / "inner" / "file").write_text("x")
    (doomed / "folder" / "link").symlink_to(outside)
    (doomed / "link").symlink_to(outside)
    (doomed / "file").write_text("x")
    os.mkfifo(doomed / "fifo")
    (doomed / "beside").mkdir()
    remove(doomed, "folder")
    assert sorted(path.name for path in doomed.iterdir()) == ["beside", "fifo", "file", "link"]
    remove_all(doomed)
    assert list(doomed.iterdir()) == []
    assert (outside / "kept").read_text() == "x"


def test_a_tree_deeper_than_the_stack_and_any_path_is_removed(tmp_path):
    dig(tmp_path, 3 * sys.getrecursionlimit())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        remove(tmp_path, "d")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_folders_that_forbid_everything_are_removed(tmp_path):
    locked = tmp_path / "a" / "locked"
    (locked / "inner").mkdir(parents=True)
    (locked / "inner" / "file").write_text("x")
    for folder in (locked / "inner", locked, tmp_path / "a"):
        folder.chmod(0)
    remove(tmp_path, "a")
    assert list(tmp_path.iterdir()) == []


def test_what_is_gone_already_is_fine(tmp_path):
    remove(tmp_path, "nothing")
    assert move_aside(tmp_path / "nothing", tmp_path) is None


def test_what_is_moved_aside_gets_a_name_of_its_own(tmp_path):
    (tmp_path / "into").mkdir()
    names = set()
    for _ in range(2):
        (tmp_path / "a").mkdir()
        names.add(move_aside(tmp_path / "a", tmp_path / "into"))
    assert {path.name for path in (tmp_path / "into").iterdir()} == names
    assert len(names) == 2


@pytest.mark.parametrize("name", ["-", " ", "ü", "a\nb", os.fsdecode(b"\xff")])
def test_any_name_will_do(tmp_path, name):
    (tmp_path / name / name).mkdir(parents=True)
    remove_all(tmp_path)
    assert list(tmp_path.iterdir()) == []
