"""Hot models get more workers and lose them again; nobody asking notices."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections import Counter

import pytest
import requests

from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.processes import pids_of, server_and_workers, wait_until, wait_until_gone

KEYPHRASES = "TopicalPageRank.tar.gz"
TARGET = "X-Amzn-SageMaker-Target-Model"
TEXT = "Die Bundesregierung plant eine neue Steuer auf Strom aus Solaranlagen. " * 8


@pytest.fixture
def endpoint(tmp_path):
    (tmp_path / "store").mkdir()
    shutil.copy(PROJECT / "artifacts" / KEYPHRASES, tmp_path / "store")
    settings = {"MME_WORKERS_PER_MODEL": "2"}
    with running_endpoint(str(tmp_path / "store"), tmp_path, settings) as running:
        yield running


@contextlib.contextmanager
def asking(endpoint, clients=6):
    """Many clients ask without a pause; yields what they got, by status and body."""
    seen: Counter[tuple[int, str]] = Counter()
    over = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            while not over.is_set():
                answer = session.post(
                    f"{endpoint.url}/invocations",
                    data=TEXT.encode(),
                    headers={TARGET: KEYPHRASES, "Content-Type": "text/plain"},
                    timeout=60,
                )
                seen[answer.status_code, answer.text] += 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def workers(endpoint) -> int:
    (model,) = requests.get(f"{endpoint.url}/models", timeout=10).json()["models"]
    return model.get("workers", 0)


def test_a_hot_model_gets_a_second_worker_and_loses_it_again(endpoint):
    with asking(endpoint) as seen:
        wait_until(lambda: workers(endpoint) == 2, "a second worker")
        assert len(server_and_workers(endpoint)[1]) == 2
    wait_until(lambda: workers(endpoint) == 1, "its end", timeout_s=60)
    wait_until(lambda: len(pids_of(endpoint, "/bin/sh")) == 1, "the end of its launcher")
    ((status, _),) = seen
    assert status == 200


def test_a_further_worker_that_is_killed_fails_at_most_the_request_it_was_at(endpoint):
    with asking(endpoint) as seen:
        wait_until(lambda: seen.total() > 0, "an answer")
        (first,) = server_and_workers(endpoint)[1]
        wait_until(lambda: workers(endpoint) == 2, "a second worker")
        (second,) = set(server_and_workers(endpoint)[1]) - {first}
        os.kill(second, signal.SIGKILL)
        wait_until_gone([second])
        before = seen.total()
        wait_until(lambda: seen.total() > before + 50, "answers after its death")
    failed = Counter({key: count for key, count in seen.items() if key[0] != 200})
    assert failed.total() <= 1, failed
    assert len(seen) - len(failed) == 1


def test_unloading_a_hot_model_ends_all_its_workers(endpoint):
    with asking(endpoint):
        wait_until(lambda: workers(endpoint) == 2, "a second worker")
    _, forks = server_and_workers(endpoint)
    gone = requests.delete(f"{endpoint.url}/models/{KEYPHRASES}", timeout=60)
    assert gone.status_code == 200
    wait_until_gone(forks)
    assert pids_of(endpoint, "/bin/sh") == []
