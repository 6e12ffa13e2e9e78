"""Artifacts on their way: one arrival for all that wait, deadlines, remembered failures."""

from __future__ import annotations

import asyncio

import pytest

from mme.core.errors import ModelFailed, ModelNotReady, ShuttingDown, StoreUnavailable
from mme.residency.arrivals import Arrivals
from mme.residency.table import TargetTable
from tests.support.residency import FakeCatalog

DOWN = StoreUnavailable("/store/m", "no route")


class Bench:
    """Arrivals, with what is around them."""

    def __init__(self, *, ready_timeout_s: float = 60.0, failure_memory_s: float = 60.0):
        self.catalog = FakeCatalog()
        self.table = TargetTable()
        self.arrivals = Arrivals(
            self.catalog,
            self.table,
            self._arrived,
            lambda *_: None,
            ready_timeout_s=ready_timeout_s,
            failure_memory_s=failure_memory_s,
        )

    def _arrived(self, artifact):
        self.table.arrived(artifact, 0.0, 0.0)

    def asking(self, target: str = "m"):
        return asyncio.create_task(self.arrivals.bring_in(target))


async def test_what_is_brought_in_serves_from_then_on():
    bench = Bench()
    known = await bench.arrivals.bring_in("m")
    assert known is bench.table.current("m")
    assert bench.arrivals.targets() == []


async def test_however_many_wait_a_target_is_brought_in_once():
    bench = Bench()
    bench.catalog.gate.close()
    waiting = [bench.asking() for _ in range(10)]
    await bench.catalog.gate.reached.wait()
    assert bench.arrivals.targets() == ["m"]
    assert bench.arrivals.has("m")
    bench.catalog.gate.open()
    assert set(await asyncio.gather(*waiting)) == {bench.table.current("m")}
    assert bench.catalog.brought == ["m"]


async def test_targets_do_not_wait_for_each_other():
    bench = Bench()
    bench.catalog.versions["n"] = "1"
    bench.catalog.gate.close()
    first = bench.asking("n")
    await bench.catalog.gate.reached.wait()
    bench.catalog.gate.open()
    await bench.arrivals.bring_in("m")
    assert bench.catalog.brought == ["n", "m"]
    await first


async def test_one_that_gives_up_waiting_leaves_the_arrival_to_the_others():
    bench = Bench()
    bench.catalog.gate.close()
    first, second = bench.asking(), bench.asking()
    await bench.catalog.gate.reached.wait()
    first.cancel()
    await asyncio.wait({first})
    assert bench.arrivals.has("m")
    bench.catalog.gate.open()
    assert (await second).target == "m"


async def test_at_the_deadline_a_request_is_told_so_and_the_arrival_goes_on():
    bench = Bench(ready_timeout_s=0.01)
    bench.catalog.gate.close()
    with pytest.raises(ModelNotReady, match=r"still on its way to this disk after 0\.01 s"):
        await bench.arrivals.bring_in("m")
    arrival = bench.arrivals.start("m")
    bench.catalog.gate.open()
    await arrival
    assert bench.table.current("m") is not None
    assert bench.catalog.brought == ["m"]


async def test_a_failure_is_the_answer_to_all_that_wait_and_to_those_that_come_soon_after():
    bench = Bench()
    bench.catalog.failures = [DOWN]
    outcomes = await asyncio.gather(bench.asking(), bench.asking(), return_exceptions=True)
    with pytest.raises(StoreUnavailable) as raised:
        await bench.arrivals.bring_in("m")
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert (raised.value.message, raised.value.where) == (DOWN.message, DOWN.where)
    assert bench.catalog.brought == ["m"]


async def test_after_a_while_what_failed_is_tried_again():
    bench = Bench(failure_memory_s=0.0)
    bench.catalog.failures = [DOWN]
    with pytest.raises(StoreUnavailable):
        await bench.arrivals.bring_in("m")
    assert (await bench.arrivals.bring_in("m")).target == "m"


async def test_a_remembered_failure_holds_on_to_nothing_of_the_requests_it_was_the_answer_to():
    bench = Bench()
    bench.catalog.failures = [DOWN]
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await bench.arrivals.bring_in("m")
    remembered = bench.table.failure("m", 0.0)
    assert remembered is not None
    assert remembered.__traceback__ is None


async def test_an_unforeseen_error_is_the_models_failure_and_is_remembered_too(caplog):
    bench = Bench()
    bench.catalog.failures = [ZeroDivisionError("off")]
    for _ in range(2):
        with pytest.raises(ModelFailed, match="unforeseen ZeroDivisionError") as raised:
            await bench.arrivals.bring_in("m")
        assert raised.value.status == 0
    assert bench.catalog.brought == ["m"]
    assert "ZeroDivisionError: off" in caplog.text


async def test_a_failure_that_nobody_waits_for_any_more_is_no_ones_trouble():
    bench = Bench()
    bench.catalog.failures = [DOWN]
    bench.arrivals.start("m")
    await bench.arrivals.settled("m")
    assert bench.arrivals.targets() == []


async def test_what_was_dismissed_between_its_arrival_and_the_request_is_brought_in_again():
    bench = Bench()
    bench.catalog.gate.close()
    waiting = bench.asking()
    await bench.catalog.gate.reached.wait()
    arrival = bench.arrivals.start("m")

    def dismiss(_):
        known = bench.table.current("m")
        assert known is not None
        bench.table.dismiss(known)

    arrival.add_done_callback(dismiss)
    bench.catalog.gate.open()
    assert (await waiting) is bench.table.current("m")
    assert bench.catalog.brought == ["m", "m"]


async def test_settled_waits_for_the_arrival_and_for_nothing_else():
    bench = Bench()
    await bench.arrivals.settled("m")
    bench.catalog.gate.close()
    bench.arrivals.start("m")
    settled = asyncio.create_task(bench.arrivals.settled("m"))
    await bench.catalog.gate.reached.wait()
    assert not settled.done()
    bench.catalog.gate.open()
    await settled
    assert bench.table.current("m") is not None


async def test_closing_cancels_what_is_on_its_way_and_nothing_new_starts():
    bench = Bench()
    bench.catalog.gate.close()
    waiting = bench.asking()
    await bench.catalog.gate.reached.wait()
    await bench.arrivals.close()
    with pytest.raises(ShuttingDown):
        await waiting
    assert bench.arrivals.targets() == []
    with pytest.raises(ShuttingDown):
        await bench.arrivals.bring_in("m")
    assert bench.table.current("m") is None
