"""Work in a fork of its own: its memory goes, its effects on files stay, its failures are told."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.endpoint import PROJECT


def run_alone(script: str) -> str:
    """Run `script` in a process with one thread, which this one may not have."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_work_is_done_in_another_process_and_its_files_stay(tmp_path):
    script = f"""
import os
from pathlib import Path
from models.mapped.apart import done_apart
assert done_apart(lambda: Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid())))
print(os.getpid())
"""
    assert run_alone(script) != (tmp_path / "pid").read_text()


def test_work_that_raises_is_not_done():
    assert run_alone("""
import os
from models.mapped.apart import done_apart
print(done_apart(lambda: 1 / 0))
""").endswith("False")


def test_work_the_kernel_kills_for_want_of_memory_is_a_memory_error():
    assert run_alone(f"""
import os
from models.mapped.apart import done_apart
try:
    done_apart(lambda: os.kill(os.getpid(), {signal.SIGKILL}))
except MemoryError as error:
    print(error)
""").endswith("was killed")


def test_with_a_second_thread_nothing_is_forked():
    assert (
        run_alone("""
import threading
import os
from models.mapped.apart import done_apart
end = threading.Event()
thread = threading.Thread(target=end.wait); thread.start()
print(done_apart(lambda: None))
end.set(); thread.join()
""")
        == "False"
    )


@pytest.mark.parametrize("kind", ["DocSim", "TopicalPageRank"])
def test_an_artifact_converted_apart_is_the_one_converted_here(kind, tmp_path):
    script = f"""
from pathlib import Path
from models.registry import family, load_model
import models.mapped.folder as folder
root = Path({str(tmp_path)!r})
(root / "artifact").mkdir(); (root / "unused").mkdir()
import tarfile
with tarfile.open({str(PROJECT / "artifacts" / kind)!r} + ".tar.gz") as archive:
    archive.extractall(root / "artifact", filter="data")
request = family({kind!r}).rehearse(root / "unused", root / "unused")
apart = load_model(root / "artifact", root / "scratch")
assert list((root / "scratch").glob("*.mapped"))
here = load_model(root / "artifact", None)
assert apart.predict(request) == here.predict(request)
print(here.predict(request).body)
"""
    assert run_alone(script).startswith("[")


def test_there_is_no_zombie_afterwards():
    assert (
        run_alone("""
import os
from models.mapped.apart import done_apart
done_apart(lambda: None)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("none")
""")
        == "none"
    )
