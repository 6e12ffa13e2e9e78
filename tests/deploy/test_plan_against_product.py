"""A trace that an endpoint has answered, replayed: the planner comes to what the endpoint had."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import requests

from benchmarks.paced import drive_at
from benchmarks.workload import exchanges, fill_store, zipf
from mme.planning.machine import Machine
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
