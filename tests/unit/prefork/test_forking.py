"""Fork safety: one thread, no holes, and a thousand forks that each answer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mme.prefork.files import SINGLE_THREADED
from mme.prefork.launcher import SEPARATOR, launcher_script
from mme.prefork.streams import remove_streams_of
from mme.prefork.worker import parse_request
from tests.support.endpoint import PROJECT

ARGUMENTS = [
    "--sock-type", "unix", "--sock-name", "/t/.mms.sock.9000",
    "--handler", "/app/handler.py:handle",
    "--model-path", "/m o/d", "--model-name", "abc", "--preload-model", "false", "--tmp-dir", "/t",
]  # fmt: skip


def run_python(script, **environment):
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT, env=os.environ | SINGLE_THREADED | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_launchers_line_is_read_back_as_it_was_given():
    line = SEPARATOR.join(["77", "/run/77", *ARGUMENTS])
    request = parse_request(line, SEPARATOR)
    assert (request.launcher, request.lifeline) == (77, "/run/77")
    assert (request.model_name, request.model_path) == ("abc", "/m o/d")


@pytest.mark.parametrize("line", ["", "x\ty", "1\t/l\t--sock-type\ttcp", "1\t/l\t--handler"])
def test_a_line_that_is_no_request_is_refused(line):
    with pytest.raises((ValueError, KeyError)):
        parse_request(line, SEPARATOR)


def test_the_launcher_sends_one_line_and_ends_when_its_lifeline_does(tmp_path):
    requests, lifelines = tmp_path / "requests", tmp_path / "lifelines"
    os.mkfifo(requests)
    lifelines.mkdir()
    launcher = tmp_path / "launcher"
    launcher.write_text(launcher_script(requests, lifelines, "/bin/false"))
    launcher.chmod(0o700)
    with subprocess.Popen([launcher, "/x/mms/model_service_worker.py", *ARGUMENTS]) as process:
        line = requests.read_text().rstrip("\n")
        request = parse_request(line, SEPARATOR)
        assert request.launcher == process.pid
        assert request.handler == "/app/handler.py:handle"
        lifeline = os.open(request.lifeline, os.O_WRONLY)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        os.close(lifeline)
        assert process.wait(5) == 1


def test_what_is_no_worker_is_run_by_the_fallback(tmp_path):
    launcher = tmp_path / "launcher"
    launcher.write_text(launcher_script(tmp_path / "r", tmp_path / "l", "/bin/echo"))
    launcher.chmod(0o700)
    ran = subprocess.run([launcher, "metric_collector.py"], capture_output=True, check=True)
    assert ran.stdout == b"metric_collector.py\n"


def test_only_a_dead_workers_streams_are_removed(tmp_path):
    for pid, name in ((1, "a-stdout"), (1, "a-stderr"), (2, "b-stdout")):
        (tmp_path / name).symlink_to(f"/proc/{pid}/../../dev/null")
    (tmp_path / ".mms.sock.9000").touch()
    remove_streams_of(1, str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mms.sock.9000", "b-stdout"]


def test_after_everything_is_imported_and_rehearsed_there_is_one_thread():
    script = """
from pathlib import Path
import model_handler
from models.warm_up import warm_up
from mme.prefork.rehearsal import rehearse
from mme.prefork.template import thread_count
from mme.prefork.settling import settle
warm_up(["de"]); rehearse(Path(model_handler.__file__)); settle()
print(thread_count())
"""
    assert run_python(script).strip() == "1"


def test_settling_leaves_hardly_any_holes():
    script = """
from mme.prefork.settling import holes, settle
kept = [bytes(n % 480) for n in range(200_000)]
del kept[::2]
before = sum(size * count for size, count in holes().items())
settle()
print(before, sum(size * count for size, count in holes().items()))
"""
    before, after = map(int, run_python(script).split())
    assert before > 1_000_000
    assert after < 200_000


def test_free_blocks_of_the_heap_are_taken_but_for_its_open_end():
    script = """
import ctypes
from mme.prefork.settling import fill_heap
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
blocks = [c.malloc(700) for _ in range(2000)]
for block in blocks[::2]:
    c.free(block)
first = fill_heap()
print(first, fill_heap(), c.malloc(700) > max(blocks))
"""
    first, again, beyond = run_python(script).split()
    assert int(first) >= 1000 * 704
    assert int(again) < int(first) / 4
    assert beyond == "True"


def test_a_thousand_forks_each_load_and_answer():
    script = """
import os, sys, tempfile
from pathlib import Path
import model_handler
from models.registry import FAMILIES, family, load_model
from models.warm_up import warm_up
from mme.prefork.rehearsal import rehearse
from mme.prefork.template import thread_count
from mme.prefork.settling import settle
warm_up(["de"]); rehearse(Path(model_handler.__file__))
root = Path(tempfile.mkdtemp())
asked = []
for name in FAMILIES:
    for part in ("artifact", "scratch"):
        (root / name / part).mkdir(parents=True)
    request = family(name).rehearse(root / name / "artifact", root / name / "scratch")
    expected = load_model(root / name / "artifact", root / name / "scratch").predict(request)
    asked.append((name, request, expected))
settle()
wrong = 0
for n in range(1000):
    assert thread_count() == 1
    pid = os.fork()
    if pid == 0:
        name, request, expected = asked[n % len(asked)]
        model = load_model(root / name / "artifact", root / name / "scratch")
        os._exit(0 if model.predict(request) == expected else 1)
    wrong += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
print(wrong)
"""
    assert run_python(script).strip() == "0"


def test_forks_of_a_process_that_has_used_onnxruntime_answer():
    script = """
import os, sys, tempfile
from pathlib import Path
from models.registry import family, load_model
from models.warm_up import warm_up
from mme.prefork.template import checked_fork
warm_up([])
assert "onnxruntime" in sys.modules
root = Path(tempfile.mkdtemp())
(root / "artifact").mkdir()
request = family("Embedding").rehearse(root / "artifact", root / "scratch")
expected = load_model(root / "artifact", root / "scratch").predict(request)
wrong = 0
for n in range(100):
    pid = checked_fork()
    if pid == 0:
        model = load_model(root / "artifact", root / "scratch")
        os._exit(0 if model.predict(request) == expected else 1)
    wrong += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
print(wrong)
"""
    assert run_python(script).strip() == "0"
