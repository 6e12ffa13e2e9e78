"""Temporary folders of code's own: what may be written there, what is too much, and its end."""

from __future__ import annotations

import os
import subprocess
import tempfile

import pytest

from mme.prefork import landlock, temporary
from tests.support.confined import outcome

MIB = 1 << 20
WRITES = {
    "a file without a name": "import tempfile; tempfile.TemporaryFile().write(b'x')",
    "a file with a name": "import tempfile; tempfile.NamedTemporaryFile('w').write('x')",
    "a folder, and one moved": (
        "import tempfile, pathlib; made = pathlib.Path(tempfile.mkdtemp()); (made / 'a').touch();"
        " (made / 'a').rename(made.parent / 'b'); assert (made.parent / 'b').exists()"
    ),
    "in its home": "import pathlib; (pathlib.Path.home() / '.cache' / 'x').mkdir(parents=True)",
}
REFUSED = {
    "beside its folder": ('open(f"{folder}/../other", "w")', "PermissionError"),
    "to its artifact": ('open(f"{folder}/model", "w")', "PermissionError"),
    "a file that is too large": (
        "import tempfile; f = tempfile.TemporaryFile(buffering=0); f.seek(1 << 20); f.write(b'x')",
        "OSError",
    ),
}


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "scripts"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def model_dir(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    return made


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in WRITES.items()])
def test_code_may_write_to_a_temporary_folder(model_dir, root, code):
    assert outcome(code, model_dir, read=[model_dir], temp_root=root) == "done"


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
@pytest.mark.hostile("isolation")
@pytest.mark.parametrize(
    ("code", "error"), [pytest.param(*each, id=name) for name, each in REFUSED.items()]
)
def test_code_may_write_nothing_else(model_dir, root, code, error):
    assert outcome(code, model_dir, read=[model_dir], temp_root=root) == error


def test_where_there_is_no_such_folder_code_writes_no_file(model_dir, tmp_path):
    code = "open(f'{folder}/x', 'w').write('x' * 9999)"
    found = outcome(code, model_dir, read=[model_dir], temp_root=tmp_path / "none")
    assert found in ("PermissionError", "OSError")


def test_what_is_too_much_is_seen_by_bytes_and_by_files(root, monkeypatch):
    (root / "a").mkdir()
    (root / "a" / "file").write_bytes(b"x" * MIB)
    assert not temporary.is_over(str(root), 2 * MIB)
    assert temporary.is_over(str(root), MIB - 1)
    monkeypatch.setattr(temporary, "MOST_FILES", 1)
    assert temporary.is_over(str(root), 2 * MIB)


@pytest.mark.hostile("isolation")
def test_what_cannot_be_counted_is_too_much_and_goes_all_the_same(root):
    """Paths that are too long to be looked at hold files all the same."""
    made = root / str(os.getpid())
    made.mkdir()
    within = os.open(made, os.O_RDONLY)
    for _ in range(32):
        os.mkdir("a" * 200, dir_fd=within)
        deeper = os.open("a" * 200, os.O_RDONLY, dir_fd=within)
        os.close(within)
        within = deeper
    os.close(within)
    assert temporary.is_over(str(made), MIB)
    temporary.remove(str(root), os.getpid())
    assert not made.exists()


def test_folders_of_those_that_ended_are_found_and_removed(root):
    ended = subprocess.Popen(["true"])
    ended.wait()
    for pid in (ended.pid, os.getpid()):
        (root / str(pid)).mkdir()
    (root / str(ended.pid) / "file").touch()
    assert temporary.forsaken(str(root)) == [ended.pid]
    assert temporary.is_left(str(root), ended.pid)
    temporary.remove(str(root), ended.pid)
    assert temporary.forsaken(str(root)) == []
    assert not temporary.is_left(str(root), ended.pid)


def test_an_empty_folder_goes_at_once(root):
    (root / "7").mkdir()
    assert not temporary.is_left(str(root), 7)
    assert not (root / "7").exists()


def test_a_folder_is_what_libraries_use(root, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/somewhere")
    for name in temporary.VARIABLES:
        monkeypatch.setenv(name, "/somewhere")
    folder = temporary.make(str(root))
    assert folder == tempfile.gettempdir() == os.environ["TMPDIR"] == os.environ["HOME"]
