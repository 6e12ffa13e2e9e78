"""The image as users run it: S3 or a volume as store, stops and restarts, faults around it."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
import requests
from botocore.config import Config

from mme.app.run_dir import SCRIPTS
from tests.container.conftest import KEYPHRASES, SIMILARITY
from tests.support.endpoint import PROJECT
from tests.support.engine import container, run, volume
from tests.support.faulty_proxy import faulty_proxy
from tests.support.s3 import running_s3
from tests.support.slow import slow_text

ROW, CSV = "Impfstoff,Erbgut", "text/csv"
TARGET = "X-Amzn-SageMaker-Target-Model"
ENDED_S = 30
KILL_MODEL_SERVERS = """
import os
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read()
            if b"ModelServer" in command and int(pid) != os.getpid():
                os.kill(int(pid), 9)
        except OSError:
            continue
"""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


def runtime(url: str):
    return boto3.client(
        "sagemaker-runtime", endpoint_url=url, region_name="eu-central-1",
        aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=70),
    )  # fmt: skip


def invoke(url: str, target: str = SIMILARITY, body: str | bytes = ROW) -> list[str]:
    answer = runtime(url).invoke_endpoint(
        EndpointName="demo", TargetModel=target, ContentType=CSV, Body=body
    )
    found: list[str] = json.load(answer["Body"])
    return found


def post(url: str, target: str, body: str = ROW, kind: str = CSV) -> requests.Response:
    return requests.post(
        f"{url}/invocations", data=body, headers={TARGET: target, "Content-Type": kind}, timeout=90
    )


def until(condition, what: str, timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"


def in_flight(url: str) -> int:
    models = requests.get(f"{url}/models", timeout=10).json()["models"]
    return sum(model["in_flight"] for model in models)


@pytest.fixture
def box():
    with container() as started:
        started.wait_until("/ping")
        yield started


@pytest.fixture
def bucket():
    """An S3 server on this machine's loopback with the sample artifacts in a bucket."""
    with running_s3() as server:
        client = server.client()
        client.create_bucket(Bucket="models")
        for name in (SIMILARITY, KEYPHRASES):
            client.upload_file(str(PROJECT / "artifacts" / name), "models", name)
        yield server.url


@pytest.fixture
def on_s3(bucket):
    """Start an endpoint on the bucket; it shares this machine's loopback with the store."""

    def start(store_url: str = bucket, **settings: str):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = CREDENTIALS | {
            "MME_STORE": "s3://models/",
            "AWS_ENDPOINT_URL_S3": store_url,
            "AWS_MAX_ATTEMPTS": "1",
            "MME_HOST": "127.0.0.1",
            "MME_PORT": str(port),
            **settings,
        }
        started = container("--network=host", environment=environment, publish=False)
        return started, f"http://127.0.0.1:{port}"

    return start


def test_the_sample_artifacts_are_served_with_nothing_but_docker_run(box):
    assert float(invoke(box.url)[0]) > 0
    answer = post(box.url, KEYPHRASES, "Neue Steuer auf Strom", "text/plain")
    assert answer.json()
    assert run("exec", box.id, "/opt/venv/bin/python", "-m", "mme.cli.ping") == ""


def test_models_come_from_s3(on_s3):
    starting, url = on_s3()
    with starting as box:
        box.url = url
        box.wait_until("/ping")
        assert float(invoke(url)[0]) > 0


def test_models_come_from_a_folder_of_a_volume(tmp_path):
    shutil.copy(PROJECT / "artifacts" / SIMILARITY, tmp_path / SIMILARITY)
    (tmp_path / "de").mkdir()
    shutil.copy(PROJECT / "artifacts" / SIMILARITY, tmp_path / "de" / SIMILARITY)
    environment = {"MME_STORE": "file:///store"}
    with container(f"--volume={tmp_path}:/store:ro", environment=environment) as box:
        box.wait_until("/ping")
        assert invoke(box.url, f"de/{SIMILARITY}") == invoke(box.url)


def test_any_user_may_run_it_with_a_read_only_root_and_one_volume():
    with volume() as name:
        options = ("--user=1000", "--read-only", "--cap-drop=ALL", f"--volume={name}:/var/lib/mme")
        with container(*options) as box:
            box.wait_until("/ping")
            assert float(invoke(box.url)[0]) > 0
            assert box.python("import os; print(os.getuid())") == "1000"
            assert box.stop() == 0


def test_a_restart_on_the_same_volume_finds_models_on_disk_and_clears_up_after_the_dead():
    with volume() as name:
        mount = f"--volume={name}:/var/lib/mme"
        with container(mount) as box:
            box.wait_until("/ping")
            first = invoke(box.url)
            box.signal("KILL")
            box.wait()
        with container(mount) as box:
            box.wait_until("/ping")
            here = {"state": "on-disk,ready"}
            answer = requests.get(f"{box.url}/models", params=here, timeout=10)
            listed = answer.json()["models"]
            assert [(m["target_model"], m["state"]) for m in listed] == [(SIMILARITY, "on-disk")]
            assert invoke(box.url) == first
            assert "fetched" not in box.log
            left = box.python("import os; print(*sorted(os.listdir('/var/lib/mme/tmp')))").split()
            assert left == [left[0], f"{left[0]}{SCRIPTS}"]  # those of one run


def test_a_running_request_is_answered_though_it_is_stopped_twice(box):
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, box.url, KEYPHRASES, slow_text(), "text/plain")
        until(lambda: in_flight(box.url) == 1, "the request to reach the model")
        box.signal("TERM")
        box.signal("TERM")
        assert box.wait(ENDED_S) == 0
        assert asked.result().json()


def test_a_stop_while_a_model_is_downloaded_does_not_wait_for_it(bucket, on_s3):
    with faulty_proxy(bucket) as (proxy, faults):
        faults.held.clear()
        starting, url = on_s3(proxy)
        with starting as box:
            box.url = url
            box.wait_until("/ping")
            with ThreadPoolExecutor(1) as pool:
                pool.submit(post, url, SIMILARITY)
                assert faults.downloads.acquire(timeout=30)
                began_s = time.monotonic()
                try:
                    box.signal("TERM")
                    code = box.wait(2 * ENDED_S)
                    took_s = time.monotonic() - began_s
                finally:
                    faults.held.set()
            assert (code, took_s < ENDED_S) == (0, True), f"{took_s}: {box.log}"


def test_a_stop_in_the_first_moment_ends_it():
    with container() as box:
        box.signal("TERM")
        assert box.wait(ENDED_S) in (0, 128 + 15, 143)


@pytest.mark.parametrize("victim", ["workers", "launchers", "template", "model server"])
def test_whichever_child_is_killed_the_next_request_is_answered(box, victim):
    first = invoke(box.url)
    pids = {
        "workers": box.worker_pids,
        "launchers": lambda: [each.pid for each in box.processes("/bin/sh")],
        "template": lambda: [box.template().pid],
        "model server": lambda: [box.processes("ModelServer")[0].pid],
    }[victim]()
    assert pids
    box.kill_inside(*pids)
    assert invoke(box.url) == first
    assert post(box.url, KEYPHRASES, "Neue Steuer auf Strom", "text/plain").ok
    until(lambda: not set(pids) & {each.pid for each in box.processes()}, "the end of them")
    assert invoke(box.url) == first
    assert box.is_running


def test_a_child_that_cannot_be_kept_ends_the_container_with_a_clear_last_line(box):
    with contextlib.suppress(AssertionError):  # the container ends, and this with it
        box.python(KILL_MODEL_SERVERS)
    assert box.wait() == 1
    assert box.last_line.startswith("mme: the model server ")


def test_a_full_disk_is_an_error_for_one_model_and_not_the_end(tmp_path):
    shutil.copy(PROJECT / "artifacts" / SIMILARITY, tmp_path / SIMILARITY)
    shutil.copy(PROJECT / "artifacts" / KEYPHRASES, tmp_path / KEYPHRASES)
    environment = {"MME_STORE": "/store", "MME_CACHE_DIR": "/small"}
    options = (f"--volume={tmp_path}:/store:ro", "--tmpfs=/small:size=200k")
    with container(*options, environment=environment) as box:
        box.wait_until("/ping")
        answer = post(box.url, SIMILARITY)
        assert answer.status_code == 503
        assert "space" in answer.json()["Message"]
        assert requests.get(f"{box.url}/ping", timeout=5).ok
        assert box.stop() == 0


def test_a_slow_store_is_429_in_time_and_the_model_is_there_later(bucket, on_s3):
    with faulty_proxy(bucket) as (proxy, faults):
        faults.held.clear()
        starting, url = on_s3(proxy, MME_READY_TIMEOUT_S="1")
        with starting as box:
            box.url = url
            box.wait_until("/ping")
            assert post(url, SIMILARITY).status_code == 429
            faults.held.set()
            until(lambda: post(url, SIMILARITY).ok, "the model")


@pytest.mark.parametrize("fault", ["fail", "cut"])
def test_a_failing_store_is_530_and_works_once_it_is_well_again(bucket, on_s3, fault):
    with faulty_proxy(bucket) as (proxy, faults):
        setattr(faults, fault, True)
        starting, url = on_s3(proxy, MME_FAILURE_MEMORY_S="0")
        with starting as box:
            box.url = url
            box.wait_until("/ping")
            answer = post(url, SIMILARITY)
            assert answer.status_code == 530, answer.text
            assert answer.headers["x-amzn-ErrorType"] == "InternalDependencyException"
            setattr(faults, fault, False)
            until(lambda: post(url, SIMILARITY).ok, "the model")
