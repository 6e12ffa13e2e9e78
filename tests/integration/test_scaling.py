"""The pool grows while all workers compute something long, and shrinks again."""

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
from tests.support.processes import wait_until, workers
from tests.support.slow import slow_text

KEYPHRASES = "TopicalPageRank.tar.gz"
TARGET = "X-Amzn-SageMaker-Target-Model"
TEXT = "Die Bundesregierung plant eine neue Steuer auf Strom aus Solaranlagen. " * 8


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store").mkdir()
    shutil.copy(PROJECT / "artifacts" / KEYPHRASES, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def endpoint(tmp_path, store):
    with running_endpoint(str(store), tmp_path) as running:
        yield running


@contextlib.contextmanager
def asking(endpoint, text, clients):
    """Many clients ask without a pause; yields what they got, by status and body."""
    seen: Counter[tuple[int, str]] = Counter()
    over = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            while not over.is_set():
                answer = session.post(
                    f"{endpoint.url}/invocations",
                    data=text,
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


@pytest.mark.timeout(200)
def test_while_slow_requests_hold_all_workers_others_are_answered_by_further_ones(endpoint):
    least = len(workers(endpoint))
    slow = slow_text().encode()
    with asking(endpoint, slow, clients=least + 1):
        wait_until(lambda: len(workers(endpoint)) > least, "a further worker")
        with asking(endpoint, TEXT.encode(), clients=1) as seen:
            wait_until(lambda: seen.total() > 5, "quick answers beside them")
        assert {status for status, _ in seen} == {200}
    wait_until(lambda: len(workers(endpoint)) == least, "their end", timeout_s=60)


def test_a_hot_model_with_a_process_of_its_own_gets_a_second_one(tmp_path, store):
    settings = {"MME_ISOLATION": "model", "MME_WORKERS_PER_MODEL": "2"}
    with running_endpoint(str(store), tmp_path, settings) as endpoint:
        with asking(endpoint, slow_text(3_000).encode(), clients=4) as seen:
            wait_until(lambda: len(workers(endpoint)) == 2, "a second worker")
            (second,) = workers(endpoint)[1:]
            os.kill(second, signal.SIGKILL)
            before = seen.total()
            wait_until(lambda: seen.total() > before + 5, "answers after its death")
        failed = Counter({key: count for key, count in seen.items() if key[0] != 200})
        assert failed.total() <= 1, failed
        assert requests.delete(f"{endpoint.url}/models/{KEYPHRASES}", timeout=60).status_code == 200
        wait_until(lambda: not workers(endpoint), "the end of all")
