"""The endpoint inside a memory limit the kernel enforces: models come and go, none is killed."""

from __future__ import annotations

import random
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.cgroup import memory_cgroup
from tests.support.endpoint import PROJECT, running_endpoint

MIB = 1024 * 1024
LIMIT_BYTES = 420 * MIB
MODELS = 60
TARGET = "X-Amzn-SageMaker-Target-Model"
SIMILARITY, KEYPHRASES = "DocSim.tar.gz", "TopicalPageRank.tar.gz"


@pytest.fixture(scope="module")
def store_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for n in range(MODELS):
        name = SIMILARITY if n % 2 else KEYPHRASES
        shutil.copy(PROJECT / "artifacts" / name, folder / f"{n}.tar.gz")
    return folder


@pytest.fixture
def cgroup():
    with memory_cgroup(LIMIT_BYTES) as group:
        if group is None:
            pytest.skip("no memory cgroup can be made here (needs root and a writable hierarchy)")
        yield group


def ask(endpoint, n) -> requests.Response:
    kind, body = (
        ("text/csv", "Impfstoff,Erbgut") if n % 2 else ("text/plain", "Neue Steuer auf Strom")
    )
    return requests.post(
        f"{endpoint.url}/invocations",
        headers={TARGET: f"{n}.tar.gz", "Content-Type": kind},
        data=body,
        timeout=70,
    )


def resident(endpoint) -> list[dict]:
    models = requests.get(f"{endpoint.url}/models?limit=1000", timeout=10).json()["models"]
    return [model for model in models if model["state"] == "ready"]


@pytest.mark.parametrize("isolation", ["shared", "model"])
def test_a_working_set_above_the_limit_is_served_without_a_failure_or_a_kill(
    store_dir, tmp_path, cgroup, isolation
):
    chosen = random.Random(7)  # noqa: S311 - a workload, not a secret
    weights = [1 / (rank + 1) for rank in range(MODELS)]
    asked = chosen.choices(range(MODELS), weights, k=600 if isolation == "shared" else 200)
    settings = {"MME_ISOLATION": isolation}
    with running_endpoint(str(store_dir), tmp_path, settings, cgroup.enter) as endpoint:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda n: ask(endpoint, n), asked))
        failures = [answer.text for answer in answers if answer.status_code != 200]
        assert failures == []
        assert cgroup.kills == 0
        if isolation == "model":
            assert "evicted" in endpoint.log
            assert 0 < len(resident(endpoint)) < len(set(asked))
        assert endpoint.stop() == 0


def test_a_pinned_model_stays_while_others_leave(store_dir, tmp_path, cgroup):
    settings = {"MME_PIN": "0.tar.gz", "MME_ISOLATION": "model"}
    with running_endpoint(str(store_dir), tmp_path, settings, cgroup.enter) as endpoint:
        for n in range(MODELS):
            assert ask(endpoint, n).status_code == 200
        kept = {model["target_model"]: model["pinned"] for model in resident(endpoint)}
        assert kept.get("0.tar.gz") is True
        assert len(kept) < MODELS
        assert endpoint.stop() == 0


def test_a_bounded_disk_cache_drops_models_that_are_not_loaded(store_dir, tmp_path):
    settings = {"MME_CACHE_LIMIT_BYTES": "4MiB"}
    with running_endpoint(str(store_dir), tmp_path, settings) as endpoint:
        for n in range(1, 31, 2):
            assert ask(endpoint, n).status_code == 200
            requests.delete(f"{endpoint.url}/models/{n}.tar.gz", timeout=30)
        kept = list((tmp_path / "cache" / "artifacts").iterdir())
        assert 0 < len(kept) < 15
        assert endpoint.stop() == 0
