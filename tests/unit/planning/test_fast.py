"""The fast loop and the product's own objects give the same: worker by worker, to the second."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mme.planning.costs import Cost, Costs
from mme.planning.exact import Exact
from mme.planning.fast import Fast
from mme.planning.fast_times import NumberedTimes
from mme.planning.machine import Machine
from mme.planning.tally import Tally
from mme.planning.trace import Trace
from mme.workers.times import ModelTimes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIB = 1024 * 1024


class Noting(Tally):
    """Keeps what came of each request."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.each: dict[int, tuple[int, float]] = {}

    def add(
        self,
        index: NDArray[np.int64],
        at_s: NDArray[np.float64],
        model: NDArray[np.int32],
        kind: NDArray[np.int8],
        latency_s: NDArray[np.float64],
    ) -> None:
        for number, which, latency in zip(index, kind, latency_s, strict=True):
            assert int(number) not in self.each
            self.each[int(number)] = (int(which), float(latency))
        super().add(index, at_s, model, kind, latency_s)


def zipf(seed: int, models: int, requests: int, rate: float) -> Trace:
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, models + 1)
    chosen = random.choice(models, size=requests, p=share / share.sum()).astype(np.int32)
    at_s = np.cumsum(random.exponential(1 / rate, requests))
    return Trace(at_s, chosen, [f"m{number}" for number in range(models)], None)


machines = st.builds(
    Machine,
    memory_bytes=st.sampled_from([520 * MIB, 600 * MIB, 4096 * MIB]),
    pool_min=st.integers(1, 4),
    resident_models=st.integers(1, 30),
    queue_length=st.sampled_from([2, 5, 100]),
    parallel_loads=st.integers(1, 4),
    policy=st.sampled_from(["lru", "worth"]),
    starts_admitted=st.booleans(),
    disk_bytes=st.sampled_from([None, 45 * MIB]),
    ready_timeout_s=st.sampled_from([0.4, 60.0]),
    invoke_timeout_s=st.sampled_from([0.3, 60.0]),
)
kinds = st.builds(
    Cost,
    service_s=st.sampled_from(
        [(0.001,), (0.002, 0.004), (0.002, 0.006, 0.03), (0.01,), (0.2, 0.3)]
    ),
    load_s=st.sampled_from([(0.0005,), (0.004,), (0.0005, 0.004)]),
    cold_service_s=st.sampled_from([(), (0.004, 0.009)]),
    first_s=st.sampled_from([0.01037, 0.29713]),
    own_bytes=st.sampled_from([0, MIB, 5 * MIB]),
    mapped_bytes=st.sampled_from([0, 100 * MIB]),
)


def assert_both_give_the_same(trace: Trace, kinds: list[Cost], machine: Machine) -> None:
    """`kinds` are given to the models in turn."""
    by_model = {name: kinds[number % len(kinds)] for number, name in enumerate(trace.names)}
    # As in the fast loop no worker comes or goes.
    machine = replace(machine, pool_max=machine.pool_min)
    costs = Costs(by_model=by_model, overhead_s=0.001, again_s=0.00113)
    exact, fast = Noting(trace.names), Noting(trace.names)
    by_objects = Exact(trace.names, costs, machine, exact, is_shared=False)
    by_objects.run([trace])
    Fast(trace.names, costs, machine, fast).run([trace])
    assert exact.each.keys() == fast.each.keys() == set(range(400))
    for index, (kind, latency_s) in exact.each.items():
        assert fast.each[index][0] == kind, index
        assert abs(fast.each[index][1] - latency_s) < 1e-9, index
    assert fast.evictions == exact.evictions
    assert fast.evicted_for_memory == exact.evicted_for_memory
    assert fast.evicted_from_disk == exact.evicted_from_disk
    assert fast.peak_bytes == exact.peak_bytes


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    models=st.integers(1, 60),
    rate=st.sampled_from([20.0, 150.0, 400.0, 2000.0]),
    kinds=st.lists(kinds, min_size=1, max_size=3),
    machine=machines,
)
def test_each_request_has_the_same_end_as_by_the_products_objects(
    seed: int, models: int, rate: float, kinds: list[Cost], machine: Machine
) -> None:
    # None is quick first and slow afterwards, so that what was sent ahead to it would be given to
    # another.
    kinds = [
        replace(kind, cold_service_s=()) if kind.service_s[0] > 0.1 else kind for kind in kinds
    ]
    assert_both_give_the_same(zipf(seed, models, 400, rate), kinds, machine)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([20.0, 100.0]),
    kinds=st.lists(kinds, min_size=1, max_size=3),
    machine=machines,
    remembered=st.integers(15, 40),
)
def test_the_same_models_are_forgotten_where_not_all_can_be_remembered(
    seed: int, rate: float, kinds: list[Cost], machine: Machine, remembered: int
) -> None:
    # So quick that there are never more under way than are remembered, as with 20,000 there are.
    kinds = [
        replace(kind, service_s=(0.002, 0.004), cold_service_s=(), first_s=0.01037, mapped_bytes=0)
        for kind in kinds
    ]
    machine = replace(machine, remembered_models=remembered)
    assert_both_give_the_same(zipf(seed, 60, 400, rate), kinds, machine)


@given(
    took=st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.001, 0.004, 0.02, 0.3]))),
    most=st.integers(1, 12),
)
def test_models_take_as_long_by_number_as_by_name(took: list[tuple[int, float]], most: int) -> None:
    by_name, by_number = ModelTimes(most), NumberedTimes(10, most)
    for noted, took_s in took:
        by_name.note(str(noted), took_s)
        by_number.note(noted, took_s)
        for model in range(10):
            assert by_number.is_slow(model) == by_name.is_slow(str(model))
            assert by_number.is_quick(model) == by_name.is_quick(str(model))
