"""The model server answers 507: idle models leave and the load is tried again, or the caller hears.

The workers refuse for real, by a handler that lets only so many of them live at a time.
"""

from __future__ import annotations

import shutil

import pytest
import requests

from tests.support.endpoint import PROJECT, running_endpoint

SIMILARITY = "DocSim.tar.gz"
ROOM_FOR = 2
HANDLER = f"""
import os
import sys
from pathlib import Path

sys.path.append({str(PROJECT)!r})
import model_handler

LIVING = Path(__file__).with_name("living")


def lives(pid):
    try:
        return Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def handle(data, context):
    if data is None:
        # Whoever forks us has rehearsed with this handler, and is no model.
        others = [p.name for p in LIVING.iterdir() if int(p.name) != os.getppid()]
        if sum(map(lives, others)) >= {ROOM_FOR}:
            raise MemoryError("full")
    answer = model_handler.handle(data, context)
    (LIVING / str(os.getpid())).touch()
    return answer
"""


@pytest.fixture
def start(tmp_path):
    """Start an endpoint with room for two models; takes further settings."""
    (tmp_path / "store").mkdir()
    (tmp_path / "living").mkdir()
    for name in "abc":
        shutil.copy(PROJECT / "artifacts" / SIMILARITY, tmp_path / "store" / f"{name}.tar.gz")
    handler = tmp_path / "crowded_handler.py"
    handler.write_text(HANDLER)

    def starting(**settings: str):
        settings |= {"MME_HANDLER": str(handler), "MME_WORKERS_PER_MODEL": "1"}
        return running_endpoint(str(tmp_path / "store"), tmp_path, settings)

    return starting


def ask(endpoint, name) -> requests.Response:
    headers = {"X-Amzn-SageMaker-Target-Model": f"{name}.tar.gz", "Content-Type": "text/csv"}
    url = f"{endpoint.url}/invocations"
    return requests.post(url, headers=headers, data="Impfstoff,Erbgut", timeout=60)


def ready(endpoint) -> set[str]:
    models = requests.get(f"{endpoint.url}/models", timeout=10).json()["models"]
    return {model["target_model"][0] for model in models if model["state"] == "ready"}


def test_a_load_refused_for_want_of_room_is_tried_again_when_another_model_has_left(start):
    with start() as endpoint:
        answers = [ask(endpoint, name) for name in "abc"]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        endpoint.wait_for_log("there was no room for c.tar.gz after all")
        assert "c" in ready(endpoint)
        assert len(ready(endpoint)) <= ROOM_FOR


def test_when_no_model_may_leave_the_caller_is_told_that_there_is_no_room(start):
    with start(MME_PIN="a.tar.gz,b.tar.gz") as endpoint:
        assert [ask(endpoint, name).status_code for name in "ab"] == [200, 200]
        refused = ask(endpoint, "c")
        assert refused.status_code == 424
        assert refused.json()["OriginalStatusCode"] == 507
        assert ready(endpoint) == {"a", "b"}
