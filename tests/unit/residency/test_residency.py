"""Models by target: brought in, asked, replaced, let go, over fake catalogs and workers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mme.core.errors import (
    Busy,
    LoadFailed,
    ModelFailed,
    NotLoaded,
    ShuttingDown,
    StoreUnavailable,
)
from mme.core.names import model_name
from mme.core.parts import Parts
from mme.core.settings import Settings
from mme.core.terms import Terms
from mme.residency.residency import ATTEMPTS, Residency
from mme.workers.engine import NotAdmitted
from tests.support.fake_engine import until
from tests.support.residency import FakeCatalog, FakeWorkers

V1, V2 = model_name("m", "1"), model_name("m", "2")
GONE = NotAdmitted(V1)
UNLOADABLE = LoadFailed("m", 500, "no such file")


class Bench:
    """A residency, with what is around it; how old a version may be is no matter by default."""

    def __init__(self, **settings: Any):
        self.catalog, self.workers = FakeCatalog(), FakeWorkers()
        self.residency = Residency(
            Settings(**{"store_check_s": 1000.0} | settings),
            self.catalog,
            self.workers.as_workers(),
        )
        self.table = self.residency.table

    async def ask(self, body: bytes = b"x", target: str = "m"):
        return await self.residency.invoke(target, {"content-type": "text/plain"}, body)

    def asking(self, body: bytes = b"x"):
        return asyncio.create_task(self.ask(body))

    async def computing(self, body: bytes = b"slow"):
        """A request that its model computes until the workers' gate is opened."""
        self.workers.gate.close()
        request = self.asking(body)
        await self.workers.gate.reached.wait()
        return request

    async def changed_to(self, version: str):
        """Return when this version serves."""
        self.catalog.versions["m"] = version
        await self.residency.arrivals.start("m")


async def test_the_first_request_is_cold_and_the_next_one_warm():
    bench = Bench()
    first, second = await bench.ask(), await bench.ask(b"y")
    assert (first.status, first.body, first.cold) == (200, b"1", True)
    assert first.headers == {"content-type": "text/plain"}
    assert not second.cold
    assert bench.workers.asked == [(V1, b"x"), (V1, b"y")]
    assert bench.catalog.brought == ["m"]


async def test_a_model_that_had_left_memory_is_cold_again():
    bench = Bench()
    await bench.ask()
    bench.workers.in_memory.clear()
    assert (await bench.ask()).cold


async def test_the_terms_of_a_request_are_the_workers_business():
    bench, terms = Bench(), Terms(timeout_s=1.0)
    await bench.residency.invoke("m", {}, b"", terms)
    assert bench.workers.terms == [terms]


async def test_whoever_reads_in_parts_knows_the_version_beforehand():
    bench, parts = Bench(), Parts()
    bench.workers.gate.close()
    asking = asyncio.create_task(bench.residency.invoke("m", {}, b"", Terms(parts=parts)))
    await bench.workers.gate.reached.wait()
    assert (parts.target, parts.version) == ("m", "1")
    bench.workers.gate.open()
    answer = await asking
    assert (answer.target, answer.version) == ("m", "1")


async def test_files_that_were_changed_under_a_stream_break_it_off_and_the_next_is_right():
    bench, parts = Bench(), Parts()
    bench.catalog.damaged.append(V1)
    parts.has_begun = True
    with pytest.raises(ModelFailed, match="changed"):
        await bench.residency.invoke("m", {}, b"", Terms(parts=parts))
    assert len(bench.workers.asked) == 1
    assert (await bench.ask()).status == 200
    assert bench.catalog.brought == ["m", "m"]


async def test_a_target_that_the_catalog_does_not_know_is_an_error_of_the_request():
    bench = Bench()
    with pytest.raises(NotLoaded):
        await bench.ask(target="n")
    assert bench.workers.asked == []


async def test_errors_of_workers_go_through_and_leave_the_version_in_place():
    bench = Bench()
    for error in (Busy("m", 9), ModelFailed("m", 0, "died"), ShuttingDown()):
        bench.workers.failures = [error]
        with pytest.raises(type(error)):
            await bench.ask()
    known = bench.table.current("m")
    assert known is not None
    assert (known.in_flight, known.invocations) == (0, 3)
    assert bench.catalog.brought == ["m"]


async def test_a_cancelled_request_is_withdrawn_from_the_workers_and_uses_nothing_any_more():
    bench = Bench()
    request = await bench.computing()
    known = bench.table.current("m")
    assert known is not None
    assert known.in_flight == 1
    request.cancel()
    await asyncio.wait({request})
    assert request.cancelled()
    assert bench.workers.cancelled == [V1]
    assert known.in_flight == 0
    assert not bench.table.uses(V1)


async def test_a_new_version_serves_beside_the_old_one_which_has_its_requests_ended_first():
    bench = Bench()
    before = await bench.computing()
    await bench.changed_to("2")
    after = bench.asking(b"after")
    await until(lambda: (V2, b"after") in bench.workers.asked)
    assert bench.workers.dropped == bench.catalog.discarded == []
    bench.workers.gate.open()
    assert ((await before).body, (await after).body) == (b"1", b"2")
    await until(lambda: bench.catalog.discarded)
    assert bench.workers.dropped == bench.catalog.discarded == [V1]
    assert (await bench.ask()).body == b"2"


async def test_versions_are_looked_after_by_requests_and_the_request_does_not_wait_for_it():
    bench = Bench(store_check_s=0.0)
    await bench.ask()
    assert bench.catalog.checked == []  # it has just been brought
    bench.catalog.versions["m"] = "2"
    assert (await bench.ask()).body == b"1"
    await until(lambda: bench.catalog.discarded)
    assert bench.catalog.checked == ["m"]
    assert (await bench.ask()).body == b"2"


async def test_versions_are_looked_after_no_oftener_than_the_settings_say():
    bench = Bench()
    for _ in range(5):
        await bench.ask()
    known = bench.table.current("m")
    assert known is not None
    known.checked_at_s -= 1000.0
    for _ in range(5):
        await bench.ask()
    await until(lambda: bench.catalog.checked)
    assert bench.catalog.checked == ["m"]


async def test_a_version_check_that_fails_leaves_the_version_serving():
    bench = Bench(store_check_s=0.0)
    await bench.ask()
    bench.catalog.failures = [StoreUnavailable("/store/m", "no route")]
    assert (await bench.ask()).body == b"1"
    await until(lambda: not bench.catalog.failures)
    assert (await bench.ask()).body == b"1"
    assert bench.catalog.brought == ["m"]


async def test_a_new_version_that_does_not_arrive_leaves_the_old_one_serving():
    bench = Bench(store_check_s=0.0)
    await bench.ask()
    bench.catalog.versions["m"] = "2"
    bench.catalog.gate.close()
    await bench.ask()
    await bench.catalog.gate.reached.wait()
    bench.catalog.failures = [StoreUnavailable("/store/m", "no route")]
    bench.catalog.gate.open()
    await bench.residency.arrivals.settled("m")
    assert (await bench.ask()).body == b"1"


async def test_a_version_that_is_back_before_its_former_record_has_left_stays_on_the_disk():
    bench = Bench()
    await bench.ask()
    bench.workers.dropping.close()
    await bench.changed_to("2")
    await bench.workers.dropping.reached.wait()
    await bench.changed_to("1")
    bench.workers.dropping.open()
    await until(lambda: bench.catalog.discarded)
    await until(lambda: len(bench.workers.dropped) == 2)
    assert bench.catalog.discarded == [V2]
    assert (await bench.ask()).body == b"1"


async def test_a_model_whose_converted_form_is_gone_is_brought_in_anew_for_the_same_request():
    bench = Bench()
    await bench.ask()
    bench.workers.failures = [GONE]
    answer = await bench.ask(b"y")
    assert (answer.body, answer.cold) == (b"1", True)
    assert bench.catalog.discarded == [V1]
    assert bench.catalog.brought == ["m", "m"]
    assert bench.workers.asked[1:] == [(V1, b"y"), (V1, b"y")]


async def test_many_requests_that_find_it_gone_bring_it_in_anew_once():
    bench = Bench()
    await bench.ask()
    requests = [await bench.computing(), *(bench.asking() for _ in range(9))]
    await until(lambda: len(bench.workers.asked) == 11)
    bench.workers.failures = [GONE] * 10
    bench.workers.gate.open()
    assert {answer.body for answer in await asyncio.gather(*requests)} == {b"1"}
    assert bench.catalog.discarded == [V1]
    assert bench.catalog.brought == ["m", "m"]


async def test_a_model_that_is_gone_again_and_again_is_given_up_for_this_request():
    bench = Bench()
    bench.workers.failures = [GONE] * ATTEMPTS
    with pytest.raises(ModelFailed, match="gone again and again"):
        await bench.ask()
    assert (await bench.ask()).status == 200


async def test_an_answer_from_files_that_were_changed_is_not_given_but_computed_anew():
    bench = Bench()
    bench.catalog.damaged = [V1]
    answer = await bench.ask(b"y")
    assert (answer.body, answer.cold) == (b"1", True)
    assert bench.catalog.brought == ["m", "m"]
    assert bench.workers.dropped == [V1]
    assert bench.workers.asked == [(V1, b"y"), (V1, b"y")]


async def test_files_that_are_changed_again_and_again_are_given_up_for_this_request():
    bench = Bench()
    bench.catalog.damaged = [V1] * ATTEMPTS
    with pytest.raises(ModelFailed, match="changed again and again"):
        await bench.ask()
    bench.workers.in_memory.clear()
    assert (await bench.ask()).status == 200


async def test_a_model_in_memory_whose_files_were_changed_is_brought_in_anew_for_the_next_request():
    bench = Bench(store_check_s=0.0)
    await bench.ask()
    bench.catalog.damaged = [V1]
    await bench.ask()
    await until(lambda: bench.workers.dropped == [V1])
    assert (await bench.ask()).cold
    assert bench.catalog.brought == ["m", "m"]


async def test_a_model_that_cannot_be_loaded_though_it_is_whole_is_not_tried_again():
    bench = Bench()
    bench.workers.failures = [UNLOADABLE]
    with pytest.raises(LoadFailed) as raised:
        await bench.ask()
    assert raised.value is UNLOADABLE
    assert len(bench.workers.asked) == 1
    assert bench.catalog.discarded == []


async def test_a_model_that_cannot_be_loaded_since_it_left_the_disk_is_brought_in_anew():
    bench = Bench()
    await bench.ask()
    bench.catalog.here.clear()
    bench.workers.failures = [UNLOADABLE]
    assert (await bench.ask()).body == b"1"
    assert bench.catalog.brought == ["m", "m"]
    assert bench.catalog.discarded == []


async def test_loading_has_it_in_memory_and_counts_for_no_request():
    bench = Bench()
    known = await bench.residency.load("m")
    assert bench.workers.loads == [V1]
    assert (known.in_flight, known.invocations) == (0, 0)
    assert not (await bench.ask()).cold


async def test_loading_brings_in_anew_what_is_gone_as_requests_do():
    bench = Bench()
    bench.workers.failures = [GONE]
    known = await bench.residency.load("m")
    assert known is bench.table.current("m")
    assert bench.workers.loads == [V1, V1]
    bench.workers.failures = [UNLOADABLE]
    with pytest.raises(LoadFailed):
        await bench.residency.load("m")


async def test_unloading_waits_for_the_requests_that_came_before():
    bench = Bench()
    request = await bench.computing()
    unload = asyncio.create_task(bench.residency.unload("m"))
    await until(lambda: bench.table.current("m") is None)
    assert bench.workers.dropped == []
    bench.workers.gate.open()
    assert (await request).body == b"1"
    await unload
    assert bench.workers.in_memory == {}
    assert bench.catalog.discarded == []
    with pytest.raises(NotLoaded):
        await bench.residency.unload("m")


async def test_a_request_that_comes_while_it_is_unloaded_brings_it_in_again():
    bench = Bench()
    request = await bench.computing()
    unload = asyncio.create_task(bench.residency.unload("m"))
    await until(lambda: bench.table.current("m") is None)
    another = bench.asking(b"another")
    await until(lambda: len(bench.workers.asked) == 2)
    bench.workers.gate.open()
    assert [(await each).status for each in (request, another)] == [200, 200]
    await unload
    assert bench.table.current("m") is not None


async def test_what_is_on_this_disk_alone_cannot_be_unloaded():
    bench = Bench()
    await bench.residency.arrivals.bring_in("m")
    with pytest.raises(NotLoaded):
        await bench.residency.unload("m")


async def test_unloading_waits_for_what_is_on_its_way():
    bench = Bench()
    bench.catalog.gate.close()
    request = bench.asking()
    await bench.catalog.gate.reached.wait()
    unload = asyncio.create_task(bench.residency.unload("m"))
    bench.catalog.gate.open()
    assert (await request).status == 200
    await unload
    assert bench.workers.in_memory == {}


async def test_leaving_is_no_error_for_what_is_not_there():
    bench = Bench()
    await bench.residency.leave("m")
    await bench.ask()
    await bench.residency.leave("m")
    assert bench.workers.in_memory == {}
    assert bench.table.current("m") is None


async def test_after_closing_nothing_is_brought_in():
    bench = Bench()
    bench.catalog.gate.close()
    request = bench.asking()
    await bench.catalog.gate.reached.wait()
    await bench.residency.close()
    with pytest.raises(ShuttingDown):
        await request
    with pytest.raises(ShuttingDown):
        await bench.ask()
