"""Converting artifacts: several processes at once, one that may only map, one that has no room."""

from __future__ import annotations

import subprocess
import sys
import tarfile

import numpy as np
import pytest

from models.mapped.folder import Mapped, mapped, read
from models.registry import FAMILIES
from tests.support.endpoint import PROJECT

PROCESSES = 4
START = """
import sys
from pathlib import Path
from models.errors import ArtifactError, NoRoom, NotConverted
from models.mapped.folder import only_map
from models.registry import family, load_model
name, model_dir, scratch = sys.argv[1], *map(Path, sys.argv[2:])
(model_dir.parent / "unused").mkdir(exist_ok=True)
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START + script, *map(str, arguments)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(script: str, *arguments: object) -> str:
    """What `script` prints, run in a process of its own."""
    with start(script, *arguments) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    return out.strip()


def test_several_processes_convert_one_artifact_at_once_to_the_same_answers(tmp_path):
    with tarfile.open(PROJECT / "artifacts" / "DocSim.tar.gz") as archive:
        archive.extractall(tmp_path / "artifact", filter="data")
    script = """
print("ready", flush=True)
sys.stdin.readline()
model = load_model(model_dir, scratch)
request = family(name).rehearse(model_dir.parent / "unused", model_dir.parent / "unused")
print(model.predict(request).body)
"""
    scratch = tmp_path / "scratch"
    processes = [start(script, "DocSim", tmp_path / "artifact", scratch) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert len(set(answers)) == 1
    assert answers[0].startswith("[")
    assert all(path.suffix == ".mapped" for path in scratch.iterdir())
    for path in scratch.iterdir():
        read(path)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_process_that_may_only_map_serves_what_another_converted(name, trained, tmp_path):
    convert = "load_model(model_dir, scratch); print(len(list(scratch.iterdir())))"
    assert run(convert, name, trained[name], tmp_path / "scratch") == "1"
    serve = "only_map(); print(load_model(model_dir, scratch).describe()['family'])"
    assert run(serve, name, trained[name], tmp_path / "scratch") == name


@pytest.mark.parametrize("name", FAMILIES)
def test_a_process_that_may_only_map_refuses_to_convert(name, trained, tmp_path):
    script = """
only_map()
for place in (scratch, None):
    try:
        load_model(model_dir, place)
    except NotConverted as error:
        print(error.status_code, error)
"""
    said = run(script, name, trained[name], tmp_path / "scratch")
    assert (
        said.splitlines()
        == [f"503 {name}-model: has no converted form here that this version reads"] * 2
    )
    assert not (tmp_path / "scratch").exists()


def test_what_cannot_be_kept_is_told_in_the_log(tmp_path, caplog):
    (tmp_path / "file").touch()
    content = Mapped({"x": np.zeros(1)}, {})
    assert mapped(tmp_path / "file" / "scratch", [], "v1", lambda: content) is content
    assert "cannot keep a converted artifact" in caplog.text


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_free_descriptor_there_is_no_room_and_the_artifact_is_not_to_blame(
    name, trained, tmp_path
):
    script = """
import os, resource
load_model(model_dir, scratch)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/", os.O_RDONLY))
except OSError:
    pass
told = set()
while taken:
    try:
        load_model(model_dir, scratch)
    except NoRoom as error:
        told.add(str(error))
    else:
        break
    os.close(taken.pop())
print(told)
"""
    said = run(script, name, trained[name], tmp_path / "scratch")
    assert said == "{'There is no room in this process for one model more'}"
    assert len(list((tmp_path / "scratch").iterdir())) == 1
