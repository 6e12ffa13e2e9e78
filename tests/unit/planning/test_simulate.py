"""What a replay comes to where it can be reckoned by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mme.planning.costs import Cost, Costs
from mme.planning.machine import Machine
from mme.planning.processors import Processors
from mme.planning.simulate import NotSimulated, simulate
from mme.planning.trace import Trace
from mme.planning.work import Drawing


def trace(*asked: tuple[float, int], models: int = 3, took_s: float | None = None) -> Trace:
    at_s, model = zip(*asked, strict=True)
    said = None if took_s is None else np.full(len(asked), took_s, np.float32)
    return Trace(np.array(at_s), np.array(model, np.int32), [f"m{n}" for n in range(models)], said)


COSTS = Costs(
    Cost(service_s=(0.01,), load_s=(0.005,), first_s=0.1, own_bytes=1000), overhead_s=0.002
)
ALONE = Machine(pool_min=1, pool_max=1, resident_models=2)


def test_a_model_is_first_then_warm_then_cold_when_others_have_taken_its_place() -> None:
    asked = trace((0, 0), (1, 0), (2, 1), (3, 2), (4, 0))
    outcome = simulate([asked], COSTS, ALONE)
    assert (outcome.first, outcome.warm, outcome.cold, outcome.refused) == (3, 1, 1, 0)
    assert outcome.evictions == 2
    assert outcome.hit_ratio == pytest.approx(0.2)
    assert outcome.p50_s == pytest.approx(0.117, rel=0.01)
    assert outcome.mean_s == pytest.approx((3 * 0.117 + 0.012 + 0.017) / 5)


@pytest.mark.parametrize(("took_s", "load_s"), [(0.01, 0.001), (0.015, 0.003), (0.02, 0.005)])
def test_a_model_loads_as_slowly_as_it_answers(took_s: float, load_s: float) -> None:
    costs = Costs(Cost(service_s=(0.001,), cold_service_s=(0.01, 0.02), load_s=(0.001, 0.005)))
    [cold_s] = Drawing(["m0"], costs).of(trace((0, 0), models=1, took_s=took_s)).cold_s
    assert cold_s == pytest.approx(took_s + load_s)


def test_chunks_are_one_trace() -> None:
    whole = trace((0, 0), (0.5, 0), (1, 1), (2, 0))
    parts = [
        Trace(whole.at_s[:2], whole.model[:2], whole.names, None),
        Trace(whole.at_s[2:], whole.model[2:], whole.names, None),
    ]
    assert simulate(parts, COSTS, ALONE).mean_s == simulate([whole], COSTS, ALONE).mean_s


@pytest.mark.parametrize("exact_requests", [0, 100])
def test_more_requests_than_may_wait_for_one_model_are_refused(exact_requests: int) -> None:
    machine = Machine(pool_min=1, pool_max=1, queue_length=2, starts_admitted=True)
    asked = trace((0, 0), (1, 0), (1.001, 0), (1.002, 0), (1.003, 0))
    outcome = simulate([asked], COSTS, machine, exact_requests=exact_requests)
    assert (outcome.requests, outcome.refused) == (5, 2)
    assert outcome.how == ("exact" if exact_requests else "fast")


def test_memory_that_runs_short_makes_models_leave() -> None:
    costs = Costs(Cost(own_bytes=10_000_000), worker_bytes=0, base_bytes=50_000_000)
    machine = Machine(memory_bytes=100_000_000, pool_min=1, pool_max=1)
    asked = trace(*((float(number), number) for number in range(8)), models=8)
    outcome = simulate([asked], costs, machine)
    assert outcome.evicted_for_memory == 4
    assert outcome.peak_bytes == 90_000_000


def test_another_worker_comes_when_all_compute_for_long() -> None:
    costs = Costs(Cost(service_s=(2.0,), first_s=0.01), worker_start_s=0.1)
    machine = Machine(pool_min=1, pool_max=3, cores=4)
    outcome = simulate([trace((0, 0), (0.1, 1), (0.2, 2))], costs, machine)
    assert outcome.peak_workers > 1


def test_times_that_the_trace_says_are_taken() -> None:
    outcome = simulate([trace((0, 0), (1, 0), (2, 0), took_s=0.25)], COSTS, ALONE)
    assert outcome.p50_s == pytest.approx(0.252, rel=0.01)
    assert outcome.notes


def test_an_empty_trace_has_an_outcome() -> None:
    outcome = simulate([], COSTS, ALONE)
    assert (outcome.requests, outcome.hit_ratio, outcome.p99_s, outcome.utilization) == (0, 0, 0, 0)


def test_models_with_a_process_of_their_own_are_refused() -> None:
    with pytest.raises(NotSimulated, match="MME_ISOLATION"):
        simulate([], COSTS, Machine(mode="own"))


@pytest.mark.parametrize(
    ("cores", "ends_s"), [(1, (2.0, 3.0)), (2, (1.0, 2.0)), (math.inf, (1.0, 2.0))]
)
def test_work_shares_the_cores_evenly(cores: float, ends_s: tuple[float, float]) -> None:
    processors = Processors(cores)
    ended: list[float] = []
    for seconds in (1.0, 2.0):
        processors.work(seconds, lambda: ended.append(processors.now_s))
    processors.run(10.0)
    assert ended == pytest.approx(ends_s)
    assert processors.now_s == 10.0
