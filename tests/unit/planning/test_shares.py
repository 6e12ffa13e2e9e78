"""A trace dealt out to instances: each request once, each model at one of them."""

from __future__ import annotations

import numpy as np

from mme.planning.costs import Costs
from mme.planning.machine import Machine
from mme.planning.plan import asked_in, first_of
from mme.planning.shares import replayed
from mme.planning.simulate import simulate
from mme.planning.zipf import zipf_of

ZIPF = zipf_of("models=40,requests=600,rate=20/s")


def test_instances_share_the_requests_and_each_loads_its_own_models_once():
    machine = Machine(cores=2)
    alone = replayed(lambda: ZIPF.chunks(100), Costs(), machine)
    three = replayed(lambda: ZIPF.chunks(100), Costs(), machine, 3)
    assert three.requests == alone.requests == 600
    assert three.latencies.total == three.answered
    assert three.cores == 6
    # As each model's requests go to one instance, its artifact is fetched by one.
    used = len({name for chunk in ZIPF.chunks(100) for name in chunk.model.tolist()})
    assert used <= three.first <= alone.first
    assert three.peak_bytes < alone.peak_bytes


def test_one_instance_is_the_replay_itself():
    alone = replayed(lambda: ZIPF.chunks(100), Costs(), Machine())
    direct = simulate(ZIPF.chunks(600), Costs(), Machine())
    assert (alone.warm, alone.cold, alone.first) == (direct.warm, direct.cold, direct.first)
    assert np.array_equal(alone.latencies.counts, direct.latencies.counts)


def test_progress_goes_on_from_one_instance_to_the_next():
    told = []
    replayed(lambda: ZIPF.chunks(100), Costs(), Machine(), 2, lambda count, _: told.append(count))
    assert told == sorted(told)


def test_the_first_requests_are_cut_within_a_chunk():
    cut = list(first_of(ZIPF.chunks(100), 250))
    assert [len(chunk.at_s) for chunk in cut] == [100, 100, 50]


def test_what_a_trace_is_like_is_counted_over_its_chunks():
    asked = asked_in(ZIPF.chunks(100), Costs())
    at_s = np.concatenate([chunk.at_s for chunk in ZIPF.chunks(100)])
    model = np.concatenate([chunk.model for chunk in ZIPF.chunks(100)])
    assert (asked.requests, asked.models) == (600, len(np.unique(model)))
    assert asked.duration_s == at_s[-1] - at_s[0]
    top = np.sort(np.bincount(model))[::-1][: asked.models // 10].sum() / 600
    assert asked.top_share == top
    costs = Costs()
    assert np.isclose(asked.least_busy_s, 600 * (costs.default.mean_service_s + costs.overhead_s))
