"""The endpoint as a process: start, stop, restart, faults around it. Real processes throughout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.support import archives
from tests.support.endpoint import PROJECT, processes_with, running_endpoint
from tests.support.processes import wait_until, workers

SIMILARITY = "DocSim.tar.gz"
TARGET = "X-Amzn-SageMaker-Target-Model"


@pytest.fixture
def store_dir(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(PROJECT / "artifacts" / SIMILARITY, folder / SIMILARITY)
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """An endpoint that tests leave as it was; each has a target of its own there."""
    folder = tmp_path_factory.mktemp("shared")
    store = folder / "store"
    store.mkdir()
    for target in (SIMILARITY, "mended.tar.gz"):
        shutil.copy(PROJECT / "artifacts" / SIMILARITY, store / target)
    settings = {
        "MME_MAX_BODY_BYTES": "65536",
        "MME_FAILURE_MEMORY_S": "0",
        "MME_ENDPOINT_NAMES": "demo,facts",
    }
    with running_endpoint(str(store), folder, settings) as endpoint:
        yield endpoint, store


def ask(endpoint, target=SIMILARITY, body="Impfstoff,Erbgut"):
    return (
        endpoint.client()
        .invoke_endpoint(
            EndpointName="demo", TargetModel=target, ContentType="text/csv", Body=body
        )["Body"]
        .read()
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_endpoint_leaves_no_process_socket_or_file(store_dir, tmp_path, number):
    with running_endpoint(str(store_dir), tmp_path) as endpoint:
        ask(endpoint)
        port = int(endpoint.url.rsplit(":", 1)[1])
        assert processes_with(str(endpoint.run_dir_parent))
        assert endpoint.stop(number) == 0
        assert processes_with(str(endpoint.run_dir_parent)) == []
        assert list(endpoint.run_dir_parent.iterdir()) == []
        left = {path.name for path in (tmp_path / "cache").iterdir()}
        assert left == {"artifacts", "leaving", "index.db", "lock", "store"}
        assert list((tmp_path / "cache" / "leaving").iterdir()) == []
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass


def test_an_answer_that_is_too_large_is_an_error_of_its_own_and_costs_no_worker(shared):
    endpoint, _ = shared
    client = endpoint.client()
    ask(endpoint)
    before = workers(endpoint)
    with pytest.raises(client.exceptions.ModelError) as caught:
        ask(endpoint, body="x,y\n" * 16_000)
    assert caught.value.response["OriginalStatusCode"] == 413
    assert "65536" in caught.value.response["OriginalMessage"]
    ask(endpoint)
    assert workers(endpoint) == before


def test_a_request_that_runs_when_the_endpoint_is_stopped_is_answered(store_dir, tmp_path):
    rows = "\n".join(
        '"Der Impfstoff verändert das Erbgut","Strom und Steuer"' for _ in range(30_000)
    )
    with running_endpoint(str(store_dir), tmp_path) as endpoint:
        ask(endpoint)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(ask(endpoint, body=rows)))
        asking.start()
        wait_until(lambda: in_flight(endpoint) == 1, "the request to reach the model")
        assert endpoint.stop() == 0
        asking.join()
    assert len(json.loads(answers[0])) == 30_000


def test_one_that_is_to_stop_says_it_is_not_ready_and_answers_until_that_has_been_noticed(
    store_dir, tmp_path
):
    with running_endpoint(str(store_dir), tmp_path, {"MME_DRAIN_NOTICE_S": "600"}) as endpoint:
        ask(endpoint)
        endpoint.process.send_signal(signal.SIGTERM)
        wait_until(
            lambda: requests.get(f"{endpoint.url}/readyz", timeout=10).status_code == 503,
            "it to say that it stops",
        )
        said = requests.get(f"{endpoint.url}/readyz", timeout=10).json()
        assert said["reasons"] == ["the endpoint is told to stop"]
        ask(endpoint)
        assert endpoint.stop() == 0


def in_flight(endpoint) -> int:
    models = requests.get(f"{endpoint.url}/models", timeout=10).json()["models"]
    return sum(model["in_flight"] for model in models)


def test_a_restarted_endpoint_finds_its_artifacts_on_disk(store_dir, tmp_path):
    with running_endpoint(str(store_dir), tmp_path) as endpoint:
        first = ask(endpoint)
        endpoint.wait_for_log("fetched")
    with running_endpoint(str(store_dir), tmp_path) as endpoint:
        models = requests.get(f"{endpoint.url}/models", timeout=10).json()["models"]
        assert [(m["target_model"], m["state"]) for m in models] == [(SIMILARITY, "on-disk")]
        assert ask(endpoint) == first
        assert "fetched" not in endpoint.log


def test_concurrent_first_requests_download_once(store_dir, tmp_path):
    with running_endpoint(str(store_dir), tmp_path) as endpoint:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(ask(endpoint))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 8
        assert len(set(answers)) == 1
        assert endpoint.stop() == 0
    assert endpoint.log.count(f"fetched {store_dir}") == 1


def test_a_changed_artifact_takes_over_and_the_old_one_goes(store_dir, tmp_path):
    settings = {"MME_STORE_CHECK_S": "0"}
    with running_endpoint(str(store_dir), tmp_path, settings) as endpoint:
        ask(endpoint)
        version = described(endpoint)["version"]
        partial = store_dir / ".partial"
        shutil.copy(store_dir / SIMILARITY, partial)
        partial.replace(store_dir / SIMILARITY)

        def has_taken_over():
            ask(endpoint)
            return described(endpoint)["version"] != version

        wait_until(has_taken_over, "the new version")
        assert endpoint.stop() == 0
    assert len(list((tmp_path / "cache" / "artifacts").iterdir())) == 1


def described(endpoint, target=SIMILARITY):
    return requests.get(f"{endpoint.url}/models/{target}", timeout=10).json()


def test_a_failed_load_is_tried_again_after_a_moment_and_works_once_it_is_mended(shared):
    endpoint, store = shared
    artifact = store / "mended.tar.gz"
    good = artifact.read_bytes()
    artifact.write_bytes(archives.tar_gz({"DocSim-params.json": b"{}"}))
    with pytest.raises(endpoint.client().exceptions.ModelError):
        ask(endpoint, artifact.name)
    artifact.write_bytes(good)
    assert json.loads(ask(endpoint, artifact.name))


def test_when_the_model_server_is_killed_the_endpoint_starts_another(store_dir, tmp_path):
    with running_endpoint(str(store_dir), tmp_path) as endpoint:
        first = ask(endpoint)
        for line in processes_with(str(endpoint.run_dir_parent)):
            pid, command = line.split(": ", 1)
            if "ModelServer" in command:
                os.kill(int(pid), signal.SIGKILL)
        endpoint.wait_for_log("the model server ended with code -9")
        assert ask(endpoint) == first
        assert requests.get(f"{endpoint.url}/ping", timeout=10).status_code == 200


def test_endpoint_names_can_be_restricted(shared):
    client = shared[0].client()
    asked = {"TargetModel": SIMILARITY, "ContentType": "text/csv", "Body": "a,b"}
    with pytest.raises(client.exceptions.ValidationError, match="'other' is not served here"):
        client.invoke_endpoint(EndpointName="other", **asked)
    answer = client.invoke_endpoint(EndpointName="facts", **asked)
    assert json.load(answer["Body"]) == ["0.00"]


def test_a_model_not_ready_in_time_is_429_and_its_load_goes_on(store_dir, tmp_path):
    with running_endpoint(str(store_dir), tmp_path, {"MME_READY_TIMEOUT_S": "0.001"}) as endpoint:
        client = endpoint.client()
        with pytest.raises(client.exceptions.ModelNotReadyException, match="still"):
            ask(endpoint)
        wait_until(lambda: described(endpoint).get("state") == "on-disk", "the arrival")
        assert json.loads(ask(endpoint))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MME_STORE": "/no/such/folder"}, "MME_STORE: the model store /no/such/folder"),
        ({"MME_CACHE_DIR": "/proc/no/cache"}, "MME_CACHE_DIR='/proc/no/cache'"),
        ({"MME_HANDLER": "/no/handler.py"}, "MME_HANDLER='/no/handler.py'"),
        ({"MME_STORE": "ftp://x/y"}, "ftp://x/y"),
        ({"MME_PORT": "99999"}, "MME_PORT='99999'"),
        ({"MME_JAVA": "/bin/false"}, "MME_JAVA='/bin/false'"),
    ],
)
def test_a_bad_setting_ends_the_start_with_one_clear_line(tmp_path, settings, words):
    environment = (
        os.environ | {"MME_CACHE_DIR": str(tmp_path / "cache"), "MME_PORT": "0"} | settings
    )
    ended = subprocess.run(
        [sys.executable, PROJECT / "serve.py"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == (1 if "MME_JAVA" in settings else 2)
    assert words in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_is_said_to_be(tmp_path, store_dir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = os.environ | {
            "MME_HOST": "127.0.0.1", "MME_PORT": port, "MME_CACHE_DIR": str(tmp_path / "cache"),
        }  # fmt: skip
        ended = subprocess.run(
            [sys.executable, PROJECT / "serve.py"],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr.splitlines()[-1]


@pytest.mark.hostile("surroundings")
@pytest.mark.parametrize("part", ["model", "mapped"])
def test_files_changed_in_the_cache_never_make_an_answer(store_dir, tmp_path, part):
    others = [f"other{number}.tar.gz" for number in range(4)]
    for other in others:
        shutil.copy(store_dir / SIMILARITY, store_dir / other)
    with running_endpoint(str(store_dir), tmp_path, {"MME_RESIDENT_MODELS": "1"}) as endpoint:
        first = ask(endpoint)
        (found,) = (tmp_path / "cache" / "artifacts").iterdir()
        with ThreadPoolExecutor(4) as pool:  # it leaves the workers for these
            view = f"{endpoint.url}/models/{SIMILARITY}"
            while requests.get(view, timeout=9).json()["state"] == "ready":
                list(pool.map(lambda other: ask(endpoint, other), others))
        for path in (found / part).rglob("*"):
            if path.is_file():
                size = path.stat().st_size
                path.write_bytes(path.read_bytes()[: size // 2].ljust(size, b"\0"))
        assert ask(endpoint) == first
        endpoint.wait_for_log("is not what was admitted")
        assert ask(endpoint) == first


def test_two_endpoints_do_not_share_a_cache(store_dir, tmp_path):
    with running_endpoint(str(store_dir), tmp_path):
        environment = os.environ | {
            "MME_CACHE_DIR": str(tmp_path / "cache"), "MME_PORT": "0", "MME_STORE": str(store_dir),
        }  # fmt: skip
        ended = subprocess.run(
            [sys.executable, PROJECT / "serve.py"],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 1
        assert str(Path(tmp_path, "cache")) in ended.stderr.splitlines()[-1]
