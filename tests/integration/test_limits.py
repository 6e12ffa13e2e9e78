"""Few tasks, few descriptors, many artifacts: models that are loaded go on, others say why not."""

from __future__ import annotations

import resource
import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.cached import put_artifacts
from tests.support.cgroup import tasks_cgroup
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.processes import wait_until, workers

TARGET = "X-Amzn-SageMaker-Target-Model"
MODELS = 40


@pytest.fixture(scope="module")
def store_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for n in range(MODELS):
        shutil.copy(PROJECT / "artifacts" / "DocSim.tar.gz", folder / f"{n}.tar.gz")
    return folder


def ask(endpoint, n) -> requests.Response:
    return requests.post(
        f"{endpoint.url}/invocations",
        headers={TARGET: f"{n}.tar.gz", "Content-Type": "text/csv"},
        data="Impfstoff,Erbgut",
        timeout=70,
    )


def ask_all(endpoint, numbers) -> list[requests.Response]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda n: ask(endpoint, n), numbers))


@pytest.mark.parametrize("isolation", ["shared", "model"])
def test_at_a_task_limit_warm_models_answer_and_others_come_in_or_say_why_not(
    store_dir, tmp_path, isolation
):
    settings = {"MME_ISOLATION": isolation, "MME_READY_TIMEOUT_S": "10"}
    with tasks_cgroup() as group:
        if group is None:
            pytest.skip("no cgroup for tasks can be made here (needs root)")
        with running_endpoint(str(store_dir), tmp_path, settings, group.enter) as endpoint:
            right = ask(endpoint, 0).text
            assert ask(endpoint, 1).text == right
            group.limit(group.tasks + 20)
            answers = ask_all(endpoint, range(2, MODELS))
            assert {answer.text for answer in answers if answer.status_code == 200} == {right}
            refused = [answer for answer in answers if answer.status_code != 200]
            assert all(answer.json()["Message"] for answer in refused)
            # In the pool a model needs no task of its own, so that none is refused.
            assert isolation == "model" or not refused
            assert [ask(endpoint, n).text for n in (0, 1)] == [right, right]
            assert requests.get(f"{endpoint.url}/ping", timeout=5).status_code == 200
            group.limit(None)
            assert endpoint.stop() == 0


def test_with_few_descriptors_all_models_answer(store_dir, tmp_path):
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with running_endpoint(str(store_dir), tmp_path, before_start=few) as endpoint:
        before = workers(endpoint)
        for _ in range(2):
            answers = ask_all(endpoint, range(MODELS))
            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.text for answer in answers}) == 1
        assert workers(endpoint) == before


def test_an_endpoint_with_ten_thousand_artifacts_on_disk_starts_and_answers(store_dir, tmp_path):
    deque(put_artifacts(tmp_path / "cache", 10_000), maxlen=0)
    with running_endpoint(str(store_dir), tmp_path) as endpoint:
        assert ask(endpoint, 0).status_code == 200

        def first_page() -> dict:
            return requests.get(f"{endpoint.url}/models?limit=1000", timeout=10).json()

        # The index is gone, as after a crash of the disk, and is made anew meanwhile.
        wait_until(lambda: len(first_page()["models"]) == 1000, "the index")
        assert first_page()["nextPageToken"]
        assert endpoint.stop() == 0
