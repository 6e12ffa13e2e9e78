"""A trace that an endpoint has answered, replayed: the planner comes to what the endpoint had."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import requests

from benchmarks.paced import drive_at
from benchmarks.workload import exchanges, fill_store, zipf
from mme.core.artifact import SAMPLE_REQUEST
from mme.planning.machine import Machine
from mme.planning.probing import probed
from mme.planning.reading import read_trace
from mme.planning.simulate import simulate
from tests.support.endpoint import running_endpoint

if TYPE_CHECKING:
    from pathlib import Path

MODELS, REQUESTS, RATE, RESIDENT = 24, 400, 15.0, 4
WITHIN = 0.15


def test_a_replayed_trace_has_the_hit_ratio_that_the_endpoint_had(tmp_path: Path) -> None:
    models = fill_store(tmp_path / "store", MODELS, ("Search",))
    at_s = np.cumsum(np.random.default_rng(7).exponential(1 / RATE, REQUESTS)).tolist()
    settings = {
        "MME_RESIDENT_MODELS": str(RESIDENT),
        "MME_POOL_MIN": "2", "MME_POOL_MAX": "2", "MME_READY_TIMEOUT_S": "120",
    }  # fmt: skip
    with running_endpoint(str(tmp_path / "store"), tmp_path, settings) as endpoint:
        each = {model: exchanges(endpoint.url, model)[0] for model in models}
        # All of them are on the disk first: how long they take to come in is another question.
        drive_at(endpoint.url, [*each.values()], [0.0] * MODELS)
        drive_at(endpoint.url, [each[model] for model in zipf(models, 7, REQUESTS)], at_s)
        said = requests.get(f"{endpoint.url}/trace?last={REQUESTS}", timeout=60).content
    found = read_trace(io.BufferedReader(io.BytesIO(said)), "/trace")
    assert len(found.trace.at_s) == REQUESTS
    assert found.costs is not None
    machine = Machine(pool_min=2, pool_max=2, resident_models=RESIDENT, starts_admitted=True)
    outcome = simulate([found.trace], found.costs, machine)
    hit_ratio = said.count(b",warm,") / REQUESTS
    assert 0.2 < hit_ratio < 0.95
    assert abs(outcome.hit_ratio / hit_ratio - 1) < WITHIN


def test_artifacts_are_measured_whatever_others_are_beside_them(tmp_path: Path) -> None:
    store, target = tmp_path / "store", "模型.tar.gz"
    model = fill_store(store, 1, ("DocSim",))[0].target
    with tarfile.open(store / model) as archive:
        archive.extractall(tmp_path / "made", filter="data")
    (tmp_path / "made" / SAMPLE_REQUEST).write_text("no JSON")
    with tarfile.open(store / "without-a-request.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "made", "")
    (store / model).rename(store / target)
    (store / "no-archive.tar.gz").write_bytes(b"?")
    costs = probed(store)
    assert list(costs.by_model) == [target]
    assert costs.of(target).mean_service_s > 0
