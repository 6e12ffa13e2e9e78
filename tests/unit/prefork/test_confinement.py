"""What a confined process can do, and what the kernel refuses it: tried in real processes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mme.prefork import landlock, seccomp
from mme.prefork.confinement import (
    VARIABLE,
    WORKER_USER,
    Confinement,
    closed_to_others,
    describe,
)
from tests.support.confined import MIB, PROGRAM, outcome
from tests.support.endpoint import PROJECT

REFUSED = ("PermissionError", "OSError")
IN_FOLDER = 'open(f"{folder}/model").read()'

needs_landlock = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
needs_seccomp = pytest.mark.skipif(not seccomp.is_there(), reason="there is no seccomp here")


@pytest.fixture
def model_dir(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model").write_text("data")
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "models"


BY_LANDLOCK = {
    "reads a file beside its folders": 'open(f"{folder}/../secret").read()',
    "reads who has accounts": 'open("/etc/passwd").read()',
    "reads another process's environment": 'open(f"/proc/{parent}/environ", "rb").read()',
    "reads another process's memory": 'open(f"/proc/{parent}/mem", "rb").read(1)',
    "lists another process's descriptors": 'os.listdir(f"/proc/{parent}/fd")',
    "changes a model": 'open(f"{folder}/model", "a").close()',
    "makes a file": 'open(f"{folder}/new", "w").close()',
    "removes a model": 'os.unlink(f"{folder}/model")',
    "makes a link": 'os.symlink("/etc/passwd", f"{folder}/link")',
    "lists the root": 'os.listdir("/")',
}


def made(name: str, *arguments: str) -> str:
    """Code that makes a system call and raises where the kernel refuses it."""
    numbers = {"clone": seccomp.CLONE, **seccomp.NUMBERS}[name]
    machine = platform.machine()
    column = [*seccomp.ARCHITECTURES].index(machine) if machine in seccomp.ARCHITECTURES else 0
    words = ", ".join((str(numbers[column]), *arguments))
    return (
        f"libc = ctypes.CDLL(None, use_errno=True)\nif libc.syscall({words}) < 0:"
        " raise OSError(ctypes.get_errno(), 'refused')"
    )


BY_SECCOMP = {
    "signals a thread": made("tgkill", "parent", "parent", "0"),
    "queues a signal": made("rt_sigqueueinfo", "parent", "0", "ctypes.create_string_buffer(128)"),
    "takes another's descriptors by a limit": "__import__('resource').prlimit(parent, 7, (9, 9))",
    "makes a process": "os.fork()",
    "makes a process of its own memory": made("clone", "0x4111", "0", "0", "0", "0"),
    "makes a namespace with a process": made("clone", "0x10000011", "0", "0", "0", "0"),
    "leaves its namespaces": made("unshare", "0x10000000"),
    "traces its parent": made("ptrace", "16", "parent", "0", "0"),
    "takes another's descriptor": made("pidfd_getfd", "0", "0", "0"),
    "opens a TCP socket": "socket.socket(socket.AF_INET)",
    "opens a Unix socket": "socket.socket(socket.AF_UNIX)",
    "opens a raw socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "starts a program": 'os.execv("/bin/true", ["true"])',
    "starts a shell": 'subprocess.run(["/bin/sh", "-c", "true"])',
    "ends its parent": "os.kill(parent, signal.SIGKILL)",
    "asks whether a process is there": "os.kill(parent, 0)",
}
BY_RLIMITS = {
    "takes more memory than it may": "bytearray(200 << 20)",
    "maps more memory than it may": "mmap.mmap(-1, 200 << 20, flags=mmap.MAP_PRIVATE)",
}
POWERS = {
    "becomes another user": "os.setuid(12345)",
    "gives a file away": 'os.chown(f"{folder}/model", 12345, 12345)',
    "enters another root": 'os.chroot("/tmp")',
    "raises its own priority": "os.setpriority(os.PRIO_PROCESS, 0, -5)",
}


def named(table):
    return [pytest.param(code, id=name) for name, code in table.items()]


@needs_landlock
@pytest.mark.hostile("isolation")
@pytest.mark.parametrize("code", named(BY_LANDLOCK))
def test_a_worker_is_refused_files_that_are_not_its_models(model_dir, code):
    assert outcome(code, model_dir, read=[model_dir]) in REFUSED


@needs_seccomp
@pytest.mark.hostile("isolation")
@pytest.mark.parametrize("code", named(BY_SECCOMP))
def test_a_worker_is_refused_what_leads_out_of_its_process(model_dir, code):
    assert outcome(code, model_dir, read=[model_dir]) == "PermissionError"


@pytest.mark.hostile("isolation")
@pytest.mark.parametrize("code", named(BY_RLIMITS))
def test_a_worker_is_refused_memory_beyond_its_bound(model_dir, code):
    assert outcome(code, model_dir, read=[model_dir]) in ("MemoryError", "OSError")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has powers to give up")
@pytest.mark.hostile("isolation")
@pytest.mark.parametrize("code", named(POWERS))
def test_a_worker_has_none_of_roots_powers(model_dir, code):
    assert outcome(code, model_dir, read=[model_dir]) in REFUSED


@pytest.mark.parametrize(
    "code",
    [
        IN_FOLDER,
        "os.listdir(folder)",
        'mmap.mmap(os.open(f"{folder}/model", os.O_RDONLY), 0, prot=mmap.PROT_READ)',
        "bytearray(50 << 20)",
        "import xml.dom.minidom",
        "import numpy; numpy.ones(100) @ numpy.ones(100)",
        "threading.Thread(target=print).start()",
        'open("/dev/urandom", "rb").read(1)',
        "os.urandom(8)",
    ],
)
def test_a_worker_can_read_its_models_and_compute(model_dir, code):
    assert "done" in outcome(code, model_dir, read=[model_dir])


@needs_landlock
@pytest.mark.hostile("isolation")
@pytest.mark.parametrize(
    "code",
    named(
        {
            "writes beside its folders": 'open(f"{folder}/../secret", "w").close()',
            "writes into what it reads": 'open(f"{folder}/model", "w").close()',
            "reads a secret": 'open(f"{folder}/../secret").read()',
            "opens a socket": "socket.socket()",
            "starts a program": 'os.execv("/bin/true", ["true"])',
        }
    ),
)
def test_an_admission_is_refused_all_but_its_own_files(model_dir, tmp_path, code):
    ours = tmp_path / "ours"
    ours.mkdir()
    assert outcome(code, model_dir, as_="admission", read=[model_dir], write=[ours]) in REFUSED


def test_an_admission_writes_where_it_shall_and_forks(model_dir, tmp_path):
    ours = tmp_path / "ours"
    ours.mkdir()
    code = (
        f'os.makedirs("{ours}/a/b"); open("{ours}/a/b/c", "w").write("x");'
        f' os.rename("{ours}/a/b/c", "{ours}/a/b/d"); os.unlink("{ours}/a/b/d");'
        ' open(f"{folder}/model").read(); open("/proc/self/smaps_rollup").read();'
        " pid = os.fork(); pid or os._exit(0); os.waitpid(pid, 0)"
    )
    assert outcome(code, model_dir, as_="admission", read=[model_dir], write=[ours]) == "done"


def test_of_two_processes_of_one_user_none_looks_into_the_other(model_dir):
    # As root everything may be looked into, so both are of a user without powers.
    if os.geteuid() != 0:
        pytest.skip("only root can become another user for this")
    if closed_to_others(PROJECT) or closed_to_others(PROJECT.__class__(sys.base_prefix)):
        pytest.skip("another user may not run Python here")
    code = 'print("confined", flush=True); input()'
    told = {"as": "worker", "read": [], "memory_bytes": 100 * MIB, "folder": "", "code": code}
    looked_into = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(told)],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        user=WORKER_USER,
    )  # fmt: skip
    with looked_into:
        assert looked_into.stdout is not None
        assert looked_into.stdout.readline() == b"confined\n"
        looker = f"open('/proc/{looked_into.pid}/environ', 'rb').read()"
        ended = subprocess.run(
            [sys.executable, "-c", looker], user=WORKER_USER, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        looked_into.kill()
    assert "PermissionError" in ended.stderr


def test_a_confinement_comes_through_the_environment_as_it_was():
    said = Confinement(7, ("/a", "/b c"), 1, 2)
    assert Confinement.of({VARIABLE: said.to_text()}) == said
    assert Confinement.of({}) is None


def test_the_filter_of_each_architecture_names_every_call_once():
    for machine in seccomp.ARCHITECTURES:
        column = list(seccomp.ARCHITECTURES).index(machine)
        numbers = [each[column] for each in seccomp.NUMBERS.values() if each[column] is not None]
        assert len(set(numbers)) == len(numbers)
        assert len(seccomp.program(seccomp.ALL, machine)) == 8 * (len(numbers) + 15)


@pytest.fixture
def open_folder():
    """A folder that everybody may go through, unlike those of pytest."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        if closed_to_others(Path(folder)) is not None:
            pytest.skip("nobody else may use /tmp here")
        yield Path(folder)


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o744])
def test_the_first_folder_that_is_closed_to_others_is_named(open_folder, mode):
    closed = open_folder / "closed"
    (closed / "inner").mkdir(parents=True)
    assert closed_to_others(closed / "inner") is None
    closed.chmod(mode)
    assert closed_to_others(closed / "inner") == closed


def test_a_folder_that_others_may_go_through_but_not_list_is_closed_at_the_end(open_folder):
    (open_folder / "way" / "inner").mkdir(parents=True)
    (open_folder / "way").chmod(0o711)
    assert closed_to_others(open_folder / "way" / "inner") is None
    assert closed_to_others(open_folder / "way") == open_folder / "way"


def test_what_cannot_be_looked_at_counts_as_closed(open_folder):
    assert closed_to_others(open_folder / "none" / "inner") == open_folder / "none"


def test_what_holds_is_told_in_words():
    assert describe(None).startswith("no capabilities, no new privileges")
    assert "user 5" in describe(5)
