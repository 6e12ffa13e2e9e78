"""Running a piece of Python in a process that is confined as a worker or an admission is."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.endpoint import PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIB = 1 << 20
PROGRAM = """
import ctypes, json, mmap, os, signal, socket, subprocess, sys, threading
from mme.prefork.confinement import Confinement, confine_admission, confine_worker
told = json.loads(sys.argv[1])
if told["as"] == "worker":
    confinement = Confinement(None, tuple(told["read"]), 0, 0, told["temp_root"], 1 << 20)
    is_of_code = bool(told["temp_root"])
    confine_worker(confinement, told["memory_bytes"], is_of_code=is_of_code)
else:
    confine_admission(told["read"], told["write"])
folder, parent = told["folder"], os.getppid()
try:
    exec(told["code"])
except BaseException as error:
    print(type(error).__name__)
else:
    print("done")
"""


def outcome(
    code: str,
    folder: Path,
    *,
    as_: str = "worker",
    read: Sequence[Path] = (),
    write: Sequence[Path] = (),
    memory_bytes: int = 100 * MIB,
    temp_root: Path | None = None,
) -> str:
    """What became of `code`: "done", or the name of what it raised.

    A worker with a `temp_root` is one of code, which may keep 1 MiB below that.

    It finds `folder`, the number of its `parent`, and these modules: ctypes, json, mmap, os,
    signal, socket, subprocess, sys, threading.
    """
    told = {
        "as": as_,
        "read": [str(path) for path in read],
        "write": [str(path) for path in write],
        "memory_bytes": memory_bytes,
        "temp_root": str(temp_root or ""),
        "folder": str(folder),
        "code": code,
    }
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(told)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.stdout.strip()
