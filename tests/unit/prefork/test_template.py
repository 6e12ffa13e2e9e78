"""Workers of a real template: birth, doors, untimely ends, and lines that wait for the next one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from mme.core.door import Answer, Hello, Question
from mme.prefork.launcher import SEPARATOR
from tests.support.processes import is_running
from tests.support.template import READY_S, running_template, until

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = """
import os, time
from models.errors import ArtifactError
def handle(data, context):
    if data is None:
        if os.path.exists(context.system_properties["model_dir"] + "/bad"):
            raise ArtifactError("params.json", "odd")
        return None
    if data[0]["body"] == b"die":
        os.kill(os.getpid(), 9)
    return [str(os.getpid())]
"""
ASKED = Question("", "", "", {}, b"")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("t")
    handler = root / "tiny_handler.py"
    handler.write_text(HANDLER)
    with running_template(root, handler, generation=5) as running:
        yield running


@pytest.fixture
def worker(template, request):
    made = template.launch(f"w-{abs(hash(request.node.name))}")
    assert made.load(template.root, template.handler) == 200
    return made


def sign(template, worker) -> Path:
    return template.signs / f"{worker.name}.forked"


def pid_of(template, worker) -> int:
    """What the sign says, once all of it is written."""
    until(lambda: sign(template, worker).read_text() != "", "the worker's pid")
    return int(sign(template, worker).read_text())


def test_it_says_what_it_has_loaded(template):
    assert template.files.loaded(5) == ()


def test_a_worker_answers_at_its_door_and_says_which_template_it_came_from(template, worker):
    door, hello = worker.door()
    assert hello == Hello(pid_of(template, worker), 5)
    answer = door.ask(ASKED)
    assert isinstance(answer, Answer)
    assert answer.body == str(hello.pid).encode()
    assert not worker.door_path.exists()
    door.connection.close()


def test_when_the_gateway_hangs_up_worker_and_launcher_end(template, worker):
    door, hello = worker.door()
    door.connection.close()
    assert worker.launcher.wait(10) == 1
    until(lambda: not is_running(hello.pid), "the worker's end")
    until(lambda: not sign(template, worker).exists(), "no sign of it")


def test_when_the_model_server_hangs_up_worker_and_launcher_end(template, worker):
    door, _ = worker.door()
    worker.mms.close()
    assert worker.launcher.wait(10) == 1
    assert door.is_closed
    door.connection.close()


def test_when_the_launcher_is_killed_the_worker_is(template, worker):
    pid = pid_of(template, worker)
    worker.launcher.kill()
    until(lambda: not is_running(pid), "the worker's end")


def test_of_a_worker_that_is_killed_only_a_sign_of_its_end_stays(template, worker):
    assert worker.door_path.exists()
    os.kill(pid_of(template, worker), signal.SIGKILL)
    until(lambda: not worker.door_path.exists(), "no door")
    ended = template.signs / f"{worker.name}.ended"
    until(lambda: list(template.signs.glob(f"{worker.name}.*")) == [ended], "the sign")
    until(lambda: worker.launcher.poll() is not None, "no launcher")


def test_a_worker_that_dies_over_a_question_closes_the_door(worker):
    door, _ = worker.door()
    with pytest.raises((ConnectionError, OSError)):
        door.ask(Question("", "", "", {}, b"die"))
    door.connection.close()


def test_why_a_handler_could_not_load_is_left_for_the_gateway(template, tmp_path):
    (tmp_path / "bad").touch()
    worker = template.launch("w-bad")
    worker.mms.sendall(b"")
    with pytest.raises((ValueError, ConnectionError)):
        worker.load(tmp_path, template.handler)
    report = json.loads((template.signs / "w-bad.json").read_text())
    assert report == {"type": "ArtifactError", "message": "params.json: odd", "status": 500}
    assert not worker.door_path.exists()


def test_a_line_that_is_no_request_and_one_of_a_launcher_that_is_gone_do_no_harm(template):
    lifeline = template.files.lifelines / "gone"
    os.mkfifo(lifeline)
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    options = [
        "--sock-type", "unix", "--sock-name", "/nowhere", "--handler", "h", "--model-path", "/",
        "--model-name", "gone", "--tmp-dir", "/tmp",
    ]  # fmt: skip
    line = SEPARATOR.join([str(gone.pid), str(lifeline), *options])
    requests = os.open(template.files.requests, os.O_WRONLY)
    os.write(requests, f"nonsense\n{line}\n".encode())
    os.close(requests)
    until(lambda: not lifeline.exists(), "the lifeline's removal")
    worker = template.launch("w-after")
    assert worker.load(template.root, template.handler) == 200


def test_workers_live_on_without_a_template_and_lines_wait_for_the_next(tmp_path):
    handler = tmp_path / "tiny_handler.py"
    handler.write_text(HANDLER)
    root = tmp_path / "t"
    root.mkdir()
    with running_template(root, handler, generation=1) as template:
        first = template.launch("first")
        assert first.load(root, handler) == 200
        door, hello = first.door()
        kept = template.files.open_requests()
        template.process.send_signal(signal.SIGTERM)
        assert template.process.wait(10) == 0
        answer = door.ask(ASKED)
        assert isinstance(answer, Answer)
        assert answer.body == str(hello.pid).encode()
        # A launcher's line, with nobody to read it.
        with template.log.open("ab") as log:
            waiting = subprocess.Popen(
                [
                    template.files.launcher, "/x/model_service_worker.py", "--sock-type", "unix",
                    "--sock-name", str(root / "mms.next"), "--handler", "h", "--model-path", "/",
                    "--model-name", "next", "--tmp-dir", str(root / "tmp"),
                ],
                env=template.environment, stdin=subprocess.PIPE, stdout=log,
            )  # fmt: skip
        until(lambda: list(template.files.lifelines.iterdir()) != [], "the launcher's line")
        template.restart(generation=2)
        until((template.signs / "next.forked").exists, "the waiting worker", READY_S)
        os.close(kept)
        waiting.kill()
        waiting.communicate()
        door.connection.close()
