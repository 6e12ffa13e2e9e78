"""Traffic on a real endpoint becomes a trace, and `mme plan` says what it takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import cycle, islice

import pytest
import requests

from tests.support.endpoint import PROJECT, running_endpoint

MODELS = [f"de/m{number}.tar.gz" for number in range(5)]
REQUESTS = 40
COSTS = {"default": {"first_s": 0.002, "load_s": 0.001, "service_s": [0.002]}}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """An endpoint that has answered some requests."""
    store = tmp_path_factory.mktemp("store")
    (store / "de").mkdir()
    for model in MODELS:
        shutil.copy(PROJECT / "artifacts" / "en" / "DocSim.tar.gz", store / model)
    with running_endpoint(str(store), tmp_path_factory.mktemp("scratch")) as endpoint:
        for model in islice(cycle(MODELS), REQUESTS):
            answer = requests.post(
                f"{endpoint.url}/endpoints/e/invocations",
                data="a cat,a dog",
                headers={"X-Amzn-SageMaker-Target-Model": model, "Content-Type": "text/csv"},
                timeout=60,
            )
            assert answer.status_code == 200, answer.text
        yield endpoint


def plan(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "mme", "plan", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=120, cwd=PROJECT,
        env={**os.environ, **variables},
    )  # fmt: skip


def test_the_trace_has_every_invocation_and_how_warm_it_was(asked):
    answer = requests.get(f"{asked.url}/trace", params={"format": "jsonl"}, timeout=60)
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["target_model"] for row in rows] == list(islice(cycle(MODELS), REQUESTS))
    assert [row["outcome"] for row in rows[: len(MODELS)]] == ["first"] * len(MODELS)
    assert all(row["at"] for row in rows)
    assert all(row["total_ms"] >= row["model_ms"] > 0 for row in rows)


def test_a_plan_of_an_endpoint_s_trace_has_its_hit_ratio(asked, tmp_path):
    costs = tmp_path / "costs.json"
    costs.write_text(json.dumps(COSTS))
    found = plan(
        "--trace", f"{asked.url}/trace", "--costs", costs, "--memory", "2GiB", "--cores", "2",
        "--target", "hit>=0.5,p99<=60s", "--output", tmp_path / "plan", "--json",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    answer = requests.get(f"{asked.url}/trace", params={"format": "jsonl"}, timeout=60)
    outcomes = [json.loads(line)["outcome"] for line in answer.text.splitlines()]
    measured = outcomes.count("warm") / len(outcomes)
    assert report["trace"]["requests"] == REQUESTS
    assert report["trace"]["models"] == len(MODELS)
    assert report["outcome"]["hit_ratio"] == pytest.approx(measured, rel=0.15)
    assert report["choice"]["chosen"]["instance"].startswith("ml.")
    assert json.loads((tmp_path / "plan" / "plan.json").read_text()) == report
    page = (tmp_path / "plan" / "plan.html").read_text()
    assert page.count("<svg") == 6
    assert "://" not in page.replace(f"{asked.url}/trace", "")  # it needs no other file
    assert (tmp_path / "plan" / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_a_saved_trace_gives_the_same_plan_as_a_table_for_people(asked, tmp_path):
    saved = tmp_path / "trace.csv"
    saved.write_text(requests.get(f"{asked.url}/trace", timeout=60).text)
    found = plan("--trace", saved, "--memory", "2GiB", "--cores", "2")
    assert found.returncode == 0, found.stderr
    assert f"{REQUESTS} requests for {len(MODELS)} models" in found.stdout
    assert "hit ratio" in found.stdout
