"""Four containers behind HAProxy: who gets what, and what callers notice of changes under load."""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests

from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.haproxy import running_haproxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(400)

TARGET = "X-Amzn-SageMaker-Target-Model"
MODELS = [f"m{number}.tar.gz" for number in range(120)]
ROWS = "Impfstoff,Erbgut"
CALLERS = 6
SMALL = {
    "MME_POOL_MIN": "1",
    "MME_POOL_MAX": "1",
    "MME_PRELOAD_LANGUAGES": "",
    "MME_DRAIN_NOTICE_S": "4",
}
"""DocSim alone is asked, one worker each; HAProxy has time to notice what drains."""


@dataclass(frozen=True)
class Asked:
    model: str
    began_s: float
    status: int
    """0: the connection broke."""
    container: str | None


class Fleet:
    """Containers by name, each with a port that stays its own, and the store they share."""

    def __init__(self, store, scratch):
        self.store, self.scratch = store, scratch
        self.ports = {f"mme{number}": free_port() for number in range(1, 6)}
        self.running = {}
        self._stacks = {}

    def start(self, *names):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._start, names))

    def _start(self, name):
        stack = contextlib.ExitStack()
        settings = SMALL | {"MME_PORT": str(self.ports[name])}
        folder = self.scratch / name
        self.running[name] = stack.enter_context(
            running_endpoint(str(self.store), folder, settings, start_timeout_s=240)
        )
        self._stacks[name] = stack

    def forget(self, name):
        del self.running[name]
        self._stacks.pop(name).close()

    def close(self):
        for stack in self._stacks.values():
            stack.close()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    shutil.copy(PROJECT / "artifacts" / "DocSim.tar.gz", store / MODELS[0])
    for model in MODELS[1:]:
        (store / model).hardlink_to(store / MODELS[0])
    fleet = Fleet(store, tmp_path_factory.mktemp("containers"))
    try:
        fleet.start("mme1", "mme2", "mme3", "mme4")
        yield fleet
    finally:
        fleet.close()


@pytest.fixture(scope="module")
def balancer(fleet):
    with running_haproxy({name: fleet.ports[name] for name in fleet.running}) as running:
        for name in fleet.running:
            running.wait_for(name, "UP")
        yield running


def ask(balancer, model, session=requests):
    began_s = time.monotonic()
    try:
        answer = session.post(
            f"{balancer.url}/endpoints/e/invocations",
            data=ROWS,
            headers={TARGET: model, "Content-Type": "text/csv"},
            timeout=70,
        )
    except requests.ConnectionError:
        return Asked(model, began_s, 0, None)
    return Asked(model, began_s, answer.status_code, answer.headers.get("X-Mme-Container"))


def places(balancer):
    """Model -> the container that answers for it, while nothing else is asked."""
    with requests.Session() as session:
        asked = [ask(balancer, model, session) for model in MODELS]
    assert {each.status for each in asked} == {200}
    return {each.model: each.container for each in asked}


@contextlib.contextmanager
def traffic(balancer):
    """Callers that ask for models, some much more often than others, while the block runs."""
    over, seen = threading.Event(), []

    def call(seed):
        chosen = random.Random(seed)  # noqa: S311 - traffic
        weights = [1 / rank for rank in range(1, len(MODELS) + 1)]
        with requests.Session() as session:
            while not over.is_set():
                [model] = chosen.choices(MODELS, weights)
                seen.append(ask(balancer, model, session))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield seen
    finally:
        over.set()
        for caller in callers:
            caller.join()


def until_more(seen, count=300):
    """Return when so many more have been answered."""
    aim = len(seen) + count
    eventually(lambda: len(seen), lambda answered: answered >= aim, 60)


def test_each_model_has_one_container_whatever_way_it_is_named(balancer):
    before = places(balancer)
    assert places(balancer) == before
    assert min(Counter(before.values()).values()) >= len(MODELS) / 4 / 3
    model = MODELS[7]
    for path, headers in (
        (f"/models/{model}", {}),
        (f"/models/{model}/why", {}),
        (f"/v2/models/{model}/ready", {}),
        ("/ping", {"X-Amzn-SageMaker-Custom-Attributes": f"trace=1, target-model={model}"}),
    ):
        answer = requests.get(balancer.url + path, headers=headers, timeout=60)
        assert (path, answer.status_code, answer.headers["X-Mme-Container"]) == (
            path, 200, before[model],
        )  # fmt: skip
    loaded = requests.post(f"{balancer.url}/models", json={"target_model": model}, timeout=60)
    assert loaded.headers["X-Mme-Container"] == before[model]


def test_what_is_created_in_one_container_only_is_refused(balancer):
    answer = requests.post(
        f"{balancer.url}/", data="{}", headers={"X-Amz-Target": "SageMaker.CreateModel"}, timeout=10
    )
    assert (answer.status_code, answer.json()["__type"]) == (400, "ValidationException")


def test_one_that_is_killed_costs_what_was_under_way_in_it_and_moves_its_own_models_only(
    fleet, balancer
):
    before = places(balancer)
    with traffic(balancer) as seen:
        until_more(seen)
        fleet.running["mme2"].process.kill()
        fleet.running["mme2"].process.wait()
        killed_s = time.monotonic()
        until_more(seen)
    failed = [each for each in seen if each.status != 200]
    assert [each for each in failed if each.began_s > killed_s] == []
    assert len(failed) <= CALLERS
    fleet.forget("mme2")
    balancer.wait_for("mme2", "DOWN")
    after = places(balancer)
    moved = {model for model in MODELS if after[model] != before[model]}
    assert moved == {model for model, container in before.items() if container == "mme2"}


def test_one_that_is_there_again_gets_its_own_models_back(fleet, balancer):
    before = places(balancer)
    with traffic(balancer) as seen:
        fleet.start("mme2")
        balancer.wait_for("mme2", "UP")
        until_more(seen)
    assert {each.status for each in seen} == {200}
    after = places(balancer)
    moved = {model for model in MODELS if after[model] != before[model]}
    assert moved
    assert {after[model] for model in moved} == {"mme2"}


def test_one_that_is_updated_costs_no_request(fleet, balancer):
    before = places(balancer)
    with traffic(balancer) as seen:
        until_more(seen)
        assert fleet.running["mme3"].stop() == 0
        fleet.forget("mme3")
        until_more(seen)
        fleet.start("mme3")
        balancer.wait_for("mme3", "UP")
        until_more(seen)
    assert {each.status for each in seen} == {200}
    assert places(balancer) == before


def test_one_that_is_added_takes_its_share_from_the_others(fleet, balancer):
    before = places(balancer)
    with traffic(balancer) as seen:
        fleet.start("mme5")
        place = f"containers/mme5 127.0.0.1:{fleet.ports['mme5']} id 5"
        for command in (
            f"add server {place} check inter 1s fall 2 rise 2 maxconn 256",
            "enable server containers/mme5",
            "enable health containers/mme5",
        ):
            said = balancer.say(command)
            assert said in {"", "New server registered."}, said
        balancer.wait_for("mme5", "UP")
        until_more(seen)
    assert {each.status for each in seen} == {200}
    after = places(balancer)
    moved = {model for model in MODELS if after[model] != before[model]}
    assert {after[model] for model in moved} == {"mme5"}
    assert 0 < len(moved) < len(MODELS) / 2


def test_its_figures_name_the_containers_for_prometheus(balancer):
    figures = requests.get(f"{balancer.figures_url}/metrics", timeout=10).text
    assert 'haproxy_server_status{proxy="containers",server="mme1",state="UP"} 1' in figures
