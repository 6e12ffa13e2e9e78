"""Script models in the other modes: a single-model container, workers asked through the model
server; and what a script may write, wherever it runs."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile

import pytest
import requests

from mme.prefork import landlock
from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.scripts import DOUBLING, HANDLER_FORM, HELPERS, script
from tests.support.waiting import eventually

WRITING = """
import os, tempfile

LIMIT = 1 << 20


def model_fn(model_dir):
    return tempfile.mkdtemp()


def transform_fn(model, data, content_type, accept):
    data = data.decode()
    if data == "end":
        os._exit(3)
    if data == "elsewhere":
        open("/tmp/elsewhere", "w")
    with tempfile.NamedTemporaryFile("wb", dir=model, delete=False) as file:
        file.write(b"x" * int(data))
    yield str(os.getpid())
    yield f" {len(os.listdir(model))}"
"""
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
SERVER = ("-m", "tests.support.single_model")


def packed_elsewhere(archive, folder):
    """An archive as `tar -C FOLDER -czf ARCHIVE .` makes it, of another user."""
    with tarfile.open(archive, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for path in [folder, *sorted(folder.rglob("*"))]:
            place = path.relative_to(folder).as_posix()
            member = tar.gettarinfo(str(path), "./" if place == "." else f"./{place}")
            member.uid, member.gid, member.uname, member.gname = 501, 20, "someone", "staff"
            if path.is_file():
                tar.addfile(member, io.BytesIO(path.read_bytes()))
            else:
                tar.addfile(member)


@pytest.fixture(scope="module", params=["door", "mms"])
def endpoint(request, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp(request.param)
    store = tmp_path / "store"
    store.mkdir()
    handler = {"model.json": "[[1, 0], [0, 2]]", "code/requirements.txt": "torch>=2\n", **HELPERS}
    packed_elsewhere(store / "handler.tar.gz", script(tmp_path / "h", HANDLER_FORM, handler))
    packed_elsewhere(store / "writing.tar.gz", script(tmp_path / "w", WRITING))
    packed_elsewhere(store / "other.tar.gz", script(tmp_path / "o", DOUBLING))
    settings = {
        "MME_ALLOW_CODE": "handler.tar.gz,writing*",
        "MME_INVOKE": request.param,
        "MME_SCRIPT_TEMP_BYTES": "1MiB",
        "MME_WORKERS_PER_MODEL": "1",
    }
    with running_endpoint(str(store), tmp_path, settings) as running:
        yield running


def ask(endpoint, target, body, headers, path="invocations"):
    named = {"X-Amzn-SageMaker-Target-Model": f"{target}.tar.gz", **headers}
    return requests.post(f"{endpoint.url}/{path}", body, headers=named, timeout=60)


def folders_of(endpoint):
    return [each.name for each in endpoint.run_dir_parent.glob("mme-*-scripts/*")]


def test_an_archive_made_elsewhere_answers_and_its_requirements_are_reported(endpoint):
    answer = ask(endpoint, "handler", "[[3, 4]]", JSON)
    assert (answer.status_code, answer.json()) == (200, [[3, 8]])
    view = requests.get(f"{endpoint.url}/models/handler.tar.gz", timeout=10).json()
    assert view["model"]["requirements"]["missing"] == ["torch>=2 (not installed)"]
    endpoint.wait_for_log("asks for what is missing here: torch>=2 (not installed)")


def test_whose_code_may_run_is_said_at_the_start_and_others_is_refused(endpoint):
    said = "whoever writes artifacts of these names may run code: handler.tar.gz, writing*"
    assert said in endpoint.log
    answer = ask(endpoint, "other", "[1]", JSON)
    assert answer.json()["OriginalStatusCode"] == 403


def test_a_script_has_a_temporary_folder_that_goes_with_its_process(endpoint):
    pid, count = ask(endpoint, "writing", "1000", TEXT).text.split()
    assert count == "1"
    assert ask(endpoint, "writing", "1000", TEXT).text == f"{pid} 2"
    assert pid in folders_of(endpoint)
    assert ask(endpoint, "writing", "end", TEXT).status_code == 424
    eventually(lambda: pid in folders_of(endpoint), lambda is_there: not is_there)
    assert ask(endpoint, "writing", "1000", TEXT).text.endswith(" 1")


def test_a_file_of_a_script_is_bounded(endpoint):
    refused = ask(endpoint, "writing", str((1 << 20) + 1), TEXT)
    assert "File too large" in refused.json()["OriginalMessage"]


@pytest.mark.parametrize("endpoint", ["door"], indirect=True)
def test_a_script_that_keeps_too_much_has_its_process_replaced(endpoint):
    first, _ = ask(endpoint, "writing", str(900 << 10), TEXT).text.split()
    ask(endpoint, "writing", str(900 << 10), TEXT).raise_for_status()
    endpoint.wait_for_log("its process is replaced")
    later, count = ask(endpoint, "writing", "1", TEXT).text.split()
    assert (later != first, count) == (True, "1")


def test_elsewhere_it_writes_nothing(endpoint):
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    refused = ask(endpoint, "writing", "elsewhere", TEXT).json()
    assert json.loads(refused["OriginalMessage"])["type"] == "PermissionError"


def test_a_generated_answer_is_streamed(endpoint):
    answer = endpoint.client().invoke_endpoint_with_response_stream(
        EndpointName="e",
        CustomAttributes="target-model=writing.tar.gz",
        ContentType="text/plain",
        Body=b"1",
    )
    with contextlib.closing(answer["Body"]) as events:
        pieces = [event["PayloadPart"]["Bytes"].decode() for event in events]
    whole = "".join(pieces).split()
    assert (len(whole), all(each.isdecimal() for each in whole)) == (2, True)


@contextlib.contextmanager
def single(tmp_path, source, allowed, others=None):
    folder = script(tmp_path / "model", source, others)
    settings = {"SAGEMAKER_BIND_TO_PORT": str(free_port()), "MME_ALLOW_CODE": allowed}
    with running_endpoint("", tmp_path, settings, program=(*SERVER, str(folder))) as running:
        yield running


@pytest.mark.parametrize("allowed", ["1", "model"])
def test_a_single_model_container_serves_a_script(tmp_path, allowed):
    others = {"model.json": "[[1, 0], [0, 2]]", **HELPERS}
    with single(tmp_path, HANDLER_FORM, allowed, others) as running:
        assert requests.get(f"{running.url}/ping", timeout=10).status_code == 200
        url = f"{running.url}/invocations"
        answer = requests.post(url, "[[3, 4]]", headers=JSON, timeout=60)
        assert (answer.status_code, answer.json()) == (200, [[3, 8]])
        assert "may run code" in running.log


def test_in_a_single_model_container_a_generated_answer_comes_in_chunks(tmp_path):
    with single(tmp_path, WRITING, "1") as running:
        answer = requests.post(f"{running.url}/invocations", "9", headers=TEXT, timeout=60)
        assert answer.headers["Transfer-Encoding"] == "chunked"
        pid, count = answer.text.split()
        assert (pid in folders_of(running), count) == (True, "1")
    assert folders_of(running) == []


def test_a_single_model_container_whose_code_may_not_run_ends_and_says_so(tmp_path):
    folder = script(tmp_path / "model", DOUBLING)
    # Not below `tmp_path`: sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="mme-test-") as temp:
        ended = subprocess.run(
            [sys.executable, *SERVER, str(folder)],
            cwd=PROJECT,
            env={"SAGEMAKER_BIND_TO_PORT": str(free_port()), "TMPDIR": temp},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode != 0
    assert "MME_ALLOW_CODE does not name 'model'" in ended.stderr
