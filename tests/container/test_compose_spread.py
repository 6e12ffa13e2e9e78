"""deploy/compose: four containers behind HAProxy, one of which is killed."""

from __future__ import annotations

import csv
import io
import time

import pytest
import requests

from tests.support.compose import composed
from tests.support.endpoint import PROJECT
from tests.support.waiting import eventually

FILE = PROJECT / "deploy" / "compose" / "docker-compose.yml"
PATIENCE_S = 150
ASKED = {
    "DocSim.tar.gz": "Impfstoff,Erbgut",
    "TopicalPageRank.tar.gz": "Impfstoffe verändern das Erbgut nicht.",
    "Search.tar.gz": "Impfstoffe verändern das Erbgut nicht.",
}
CONTAINERS = {"mme1", "mme2", "mme3", "mme4"}


def container_of(url: str, target: str) -> str | None:
    """Who answers for a model; None: nobody does."""
    kind = "text/csv" if target.startswith("DocSim") else "text/plain"
    headers = {"X-Amzn-SageMaker-Target-Model": target, "Content-Type": kind}
    try:
        answer = requests.post(
            f"{url}/endpoints/demo/invocations", ASKED[target].encode(), headers=headers, timeout=60
        )
    except requests.RequestException:
        return None
    return answer.headers["X-Mme-Container"] if answer.ok else None


def up(port: int) -> set[str]:
    """The containers that HAProxy sends requests to."""
    try:
        figures = requests.get(f"http://127.0.0.1:{port}/stats;csv", timeout=10).text
    except requests.RequestException:
        return set()
    rows = csv.DictReader(io.StringIO(figures.removeprefix("# ")))
    return {row["svname"] for row in rows if row["status"].startswith("UP")} & CONTAINERS


@pytest.fixture(scope="module")
def project():
    with composed(FILE) as (running, said):
        deadline_s = time.monotonic() + PATIENCE_S
        while up(running.figures_port) != CONTAINERS or not all(
            container_of(running.url, target) for target in ASKED
        ):
            assert time.monotonic() < deadline_s, f"{said}\n{running.run('logs')}"
        yield running


@pytest.mark.timeout(600)
def test_a_model_keeps_its_container_and_moves_alone_if_that_is_lost(project):
    places = {each: container_of(project.url, each) for each in ASKED}
    assert {each: container_of(project.url, each) for each in ASKED} == places
    assert set(places.values()) <= CONTAINERS
    lost = places["DocSim.tar.gz"]
    project.run("kill", lost)
    now = eventually(
        lambda: {each: container_of(project.url, each) for each in ASKED},
        lambda seen: None not in seen.values() and lost not in seen.values(),
        PATIENCE_S,
    )
    assert {each for each in ASKED if now[each] != places[each]} == {
        each for each in ASKED if places[each] == lost
    }
