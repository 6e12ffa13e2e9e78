"""The multi-model container's process, called as the platform calls it: the real MMS behind it."""

from __future__ import annotations

import json
import os
import signal
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests

from tests.support.endpoint import PROJECT, free_port, processes_with, running_endpoint
from tests.support.processes import (
    computing,
    cpu_s,
    pids_of,
    template_and_workers,
    wait_until,
    workers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.endpoint import Endpoint

ROW, CSV = "Impfstoff,Erbgut", {"Content-Type": "text/csv"}
SLOW_ROWS = "\n".join(['"Der Impfstoff verändert das Erbgut","Strom und Steuer"'] * 40_000).encode()


class Container:
    """The process and the platform's calls to it."""

    def __init__(self, endpoint: Endpoint, models_dir: Path) -> None:
        self.endpoint = endpoint
        self.models_dir = models_dir

    def place(self, name: str) -> str:
        """Put an artifact where the platform does; returns its folder."""
        folder = self.models_dir / name / "model"
        folder.mkdir(parents=True)
        with tarfile.open(PROJECT / "artifacts" / "DocSim.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        return str(folder)

    def call(self, method: str, path: str, **options) -> requests.Response:
        return requests.request(method, self.endpoint.url + path, timeout=60, **options)

    def load(self, name: str, url: str | None = None, **more) -> requests.Response:
        url = url or str(self.models_dir / name / "model")
        return self.call("POST", "/models", json={"model_name": name, "url": url, **more})

    def unload(self, name: str) -> requests.Response:
        return self.call("DELETE", f"/models/{name}")

    def ask(self, name: str, body: str | bytes = ROW) -> requests.Response:
        return self.call("POST", f"/models/{name}/invoke", data=body, headers=CSV)

    def ask_target(self, target: str) -> requests.Response:
        headers = {**CSV, "X-Amzn-SageMaker-Target-Model": target}
        return self.call("POST", "/invocations", data=ROW, headers=headers)

    def names(self) -> list[str]:
        return [model["modelName"] for model in self.call("GET", "/models").json()["models"]]

    def workers(self) -> list[int]:
        return workers(self.endpoint)


def start(tmp_path: Path, **settings: str):
    models_dir = tmp_path / "models"
    models_dir.mkdir()
    environment = {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_BIND_TO_PORT": str(free_port()),
        "MME_MODELS_DIR": str(models_dir),
        **settings,
    }
    return running_endpoint("/nonexistent", tmp_path, environment)


@pytest.fixture(scope="module")
def container(tmp_path_factory) -> Iterator[Container]:
    tmp_path = tmp_path_factory.mktemp("container")
    with start(tmp_path) as endpoint:
        yield Container(endpoint, tmp_path / "models")


@pytest.fixture
def own(tmp_path) -> Iterator[Container]:
    """A container of the test's own, to do harm to."""
    with start(tmp_path) as endpoint:
        yield Container(endpoint, tmp_path / "models")


def test_a_model_is_loaded_listed_described_asked_and_unloaded(container):
    url = container.place("plain")
    assert container.load("plain").status_code == 200
    assert container.call("GET", "/models").json() == {
        "models": [{"modelName": "plain", "modelUrl": url}]
    }
    described = container.call("GET", "/models/plain").json()
    assert described == {"modelName": "plain", "modelUrl": url}
    assert float(container.ask("plain").json()[0]) > 0
    before = container.workers()
    assert container.unload("plain").status_code == 200
    assert container.workers() == before
    for answer in (
        container.call("GET", "/models/plain"), container.ask("plain"), container.unload("plain")
    ):  # fmt: skip
        assert answer.status_code == 404
        assert answer.json()["type"] == "ModelNotFoundException"
        assert "'plain'" in answer.json()["message"]


@pytest.mark.parametrize("within", ["", "model"])
def test_a_folder_is_asked_by_its_path_without_a_load(container, within):
    target = f"de/unasked{within}.tar.gz"
    folder = container.models_dir / target / within
    folder.mkdir(parents=True)
    with tarfile.open(PROJECT / "artifacts" / "DocSim.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(container.ask_target, [target] * 8))
    assert {answer.status_code for answer in answers} == {200}
    assert {len(answer.json()) for answer in answers} == {1}
    similarities = [float(answer.json()[0]) for answer in answers]
    assert similarities == pytest.approx([0.384422] * 8, abs=1e-5)
    assert target in container.names()
    assert container.unload(quote(target, safe="")).status_code == 200
    assert container.ask_target(target).status_code == 200
    container.unload(quote(target, safe=""))


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize(
    "target", ["../models", "/etc", "a/../b", ".", "none", "x" * 300, "b/link"]
)
def test_a_target_beside_the_platforms_folder_is_not_there(container, tmp_path, target):
    (container.models_dir / "b").mkdir(exist_ok=True)
    link = container.models_dir / "b" / "link"
    if not link.is_symlink():
        link.symlink_to(tmp_path)
    answer = container.ask_target(target)
    assert answer.status_code in (400, 404)
    assert target[:60] in answer.json()["message"]


def test_a_name_that_is_taken_is_409_also_while_it_loads(container):
    container.place("twice")
    with ThreadPoolExecutor(4) as pool:
        answers = [answer.status_code for answer in pool.map(container.load, ["twice"] * 4)]
    assert sorted(answers) == [200, 409, 409, 409]
    assert container.load("twice").status_code == 409
    container.unload("twice")


def test_a_broken_artifact_is_refused_with_the_workers_reason_and_can_be_loaded_once_mended(
    container,
):
    folder = container.models_dir / "broken" / "model"
    folder.mkdir(parents=True)
    (folder / "DocSim-params.json").write_text("{")
    answer = container.load("broken")
    assert answer.status_code == 500
    assert "DocSim-params.json" in answer.json()["message"]
    assert "broken" not in container.names()
    (folder / "DocSim-params.json").unlink()
    folder.rmdir()
    folder.parent.rmdir()
    container.place("broken")
    assert container.load("broken").status_code == 200
    container.unload("broken")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"[1]", 400, "JSON list"),
        (b"[" * 60_000, 400, "not JSON"),
        (b"x" * 70_000, 413, "larger than"),
        (b'{"url": "/opt/ml/models/x/model"}', 400, "model_name"),
        (b'{"model_name": "x"}', 400, "url"),
        (b'{"model_name": "x", "url": "/etc"}', 400, "'/etc' is no folder in"),
        (b'{"model_name": "x", "url": "http://127.0.0.1/x.mar"}', 400, "http://127.0.0.1/x.mar"),
        (b'{"model_name": "x", "url": "MODELS/../../etc"}', 400, "is no folder in"),
        (b'{"model_name": "x", "url": "MODELS/nothing/model"}', 404, "nothing/model"),
    ],
)
def test_a_load_that_cannot_be_is_refused_by_name(container, body, status, words):
    body = body.replace(b"MODELS", str(container.models_dir).encode())
    answer = container.call("POST", "/models", data=body)
    assert answer.status_code == status
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/models/m?min_worker=3"),
        ("POST", "/predictions/m"),
        ("POST", "/m/predict"),
        ("GET", "/api-description"),
        ("OPTIONS", "/"),
        ("GET", "/"),
        ("POST", "/models/m"),
    ],
)
def test_nothing_beyond_the_contract_is_answered(container, method, path):
    answer = container.call(method, path, data=ROW, headers=CSV)
    assert answer.status_code in (404, 405)


def test_a_load_cannot_name_the_code_that_answers(container, tmp_path):
    container.place("own code")
    handler = tmp_path / "evil.py"
    handler.write_text("def handle(data, context): return ['evil']")
    more = {"handler": f"{handler}:handle", "runtime": "python2", "initial_workers": 0}
    assert container.load("own code", **more).status_code == 200
    assert float(container.ask("own code").json()[0]) > 0
    container.unload("own code")


@pytest.mark.parametrize("name", ["a-w1", "ä ö", "x" * 300, "..", "a%2Fb", "1"])
def test_any_name_will_do(container, name):
    url = container.place("odd")
    try:
        assert container.load(name, url).status_code == 200
        assert name in container.names()
        path = "/models/" + quote(name, safe="").replace("..", "%2E%2E")
        assert container.call("POST", f"{path}/invoke", data=ROW, headers=CSV).status_code == 200
        assert container.call("DELETE", path).status_code == 200
    finally:
        folder = container.models_dir / "odd"
        for file in (folder / "model").iterdir():
            file.unlink()
        (folder / "model").rmdir()
        folder.rmdir()


def test_the_list_comes_in_pages_that_survive_an_unload_between_them(container):
    names = [f"page{n}" for n in range(5)]
    for name in names:
        container.place(name)
        assert container.load(name).status_code == 200
    first = container.call("GET", "/models?limit=2").json()
    container.unload("page0")
    token = first["nextPageToken"]
    rest = container.call("GET", f"/models?limit=9&next_page_token={token}").json()
    assert "nextPageToken" not in rest
    assert [m["modelName"] for m in first["models"] + rest["models"]] == names
    assert container.call("GET", "/models?limit=none").status_code == 400
    for name in names[1:]:
        container.unload(name)


def test_an_unload_lets_the_running_request_end_and_the_name_can_be_loaded_again(container):
    container.place("busy")
    container.load("busy")
    before = {pid: cpu_s(pid) for pid in container.workers()}
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(container.ask, "busy", SLOW_ROWS)
        wait_until(lambda: bool(computing(before)), "a worker to compute")
        unloading = pool.submit(container.unload, "busy")
        wait_until(lambda: "busy" not in container.names(), "the unload")
        assert container.ask("busy").status_code == 404
        assert container.load("busy").status_code == 200
        assert asked.result().status_code == 200
        assert unloading.result().status_code == 200
    assert container.ask("busy").status_code == 200
    container.unload("busy")


def test_loads_and_unloads_at_the_same_moment_do_not_hurt_each_other(container):
    names = [f"hammered{n}" for n in range(6)]
    for name in names:
        container.place(name)

    def work(name: str) -> list[int]:
        return [
            answer.status_code
            for _ in range(4)
            for answer in (container.load(name), container.ask(name), container.unload(name))
        ]

    with ThreadPoolExecutor(6) as pool:
        answers = [status for statuses in pool.map(work, names) for status in statuses]
    assert set(answers) == {200}
    assert container.names() == []


def test_models_whose_workers_were_killed_stay_loaded_and_answer(container):
    container.place("mortal")
    container.load("mortal")
    container.ask("mortal")
    before = container.workers()
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    assert container.ask("mortal").status_code == 200
    assert container.names() == ["mortal"]
    wait_until(lambda: len(container.workers()) == len(before), "workers in their place")
    container.unload("mortal")


def test_a_request_whose_worker_was_killed_in_the_middle_of_it_is_told(container):
    container.place("killed")
    container.load("killed")
    before = {pid: cpu_s(pid) for pid in container.workers()}
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(container.ask, "killed", SLOW_ROWS)
        wait_until(lambda: bool(computing(before)), "a worker to compute")
        for worker in computing(before):
            os.kill(worker, signal.SIGKILL)
        assert asked.result().status_code == 502
        assert "ended while it computed" in asked.result().json()["message"]
    assert container.ask("killed").status_code == 200
    container.unload("killed")


def test_when_the_model_server_was_killed_every_model_comes_back_without_the_platform(own):
    names = [f"m{n}" for n in range(3)]
    for name in names:
        own.place(name)
        own.load(name)
    (java,) = pids_of(own.endpoint, "ModelServer")
    os.kill(java, signal.SIGKILL)
    own.endpoint.wait_for_log("model server ended")
    assert [own.ask(name).status_code for name in names] == [200, 200, 200]
    assert own.names() == names


def test_when_the_template_was_killed_loaded_models_answer_and_others_can_be_loaded(own):
    for name in ("before", "after"):
        own.place(name)
    own.load("before")
    template, _ = template_and_workers(own.endpoint)
    os.kill(template, signal.SIGKILL)
    assert own.ask("before").status_code == 200
    assert own.load("after").status_code == 200
    assert own.ask("after").status_code == 200


def test_a_container_that_rests_keeps_its_models_loaded_and_comes_back_when_one_is_asked(tmp_path):
    with start(tmp_path, MME_IDLE_S="1") as endpoint:
        container = Container(endpoint, tmp_path / "models")
        for name in ("before", "after"):
            container.place(name)
        container.load("before")
        endpoint.wait_for_log("the workers go down")
        wait_until(lambda: not pids_of(endpoint, "ModelServer"), "the model server to be gone")
        assert container.call("GET", "/ping").status_code == 200
        assert container.names() == ["before"]
        assert container.ask("before").status_code == 200
        endpoint.log_lines.clear()
        endpoint.wait_for_log("the workers go down")
        assert container.load("after").status_code == 200
        assert container.ask("after").status_code == 200


def test_a_stop_in_the_middle_of_loads_leaves_nothing(own):
    names = [f"m{n}" for n in range(8)]
    for name in names:
        own.place(name)
    begun = threading.Event()

    def load(name: str) -> None:
        begun.set()
        try:
            own.load(name)
        except requests.ConnectionError:
            return

    with ThreadPoolExecutor(8) as pool:
        loading = [pool.submit(load, name) for name in names]
        begun.wait()
        assert own.endpoint.stop() == 0
        for each in loading:
            each.result()
    assert processes_with(str(own.endpoint.run_dir_parent)) == []
    assert list(own.endpoint.run_dir_parent.iterdir()) == []


def test_the_list_is_empty_from_the_first_answer_and_ping_follows_when_loads_are_possible(
    tmp_path,
):
    port = free_port()
    seen: list[tuple[int, object]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set() and len(seen) < 3:
            try:
                answer = requests.get(f"http://127.0.0.1:{port}/models", timeout=2)
            except requests.ConnectionError:
                continue
            seen.append((answer.status_code, answer.json()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with start(tmp_path, SAGEMAKER_BIND_TO_PORT=str(port)) as endpoint:
            assert requests.get(f"{endpoint.url}/ping", timeout=2).status_code == 200
            watching.join()
            assert endpoint.stop() == 0
    finally:
        done.set()
        watching.join()
    assert json.dumps(seen[0]) == '[200, {"models": []}]'
