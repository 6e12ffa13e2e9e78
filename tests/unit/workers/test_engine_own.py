"""Models with a process of their own, on a fake model server: starts, room, leaving for others."""

from __future__ import annotations

import asyncio
import json

import pytest

from mme.core.errors import CodeNotAllowed, LoadFailed, ModelFailed, ModelNotReady
from mme.memory import Reading
from mme.workers.scaling import STAY_S
from mme.workers.starting import ATTEMPTS
from tests.support.fake_engine import until
from tests.support.fake_mms import REPORT, Start
from tests.support.fake_worker import Manner
from tests.support.workers import MIB, running_workers

BIG = 400 * MIB


@pytest.fixture
async def bench(tmp_path):
    async with running_workers(tmp_path, isolation="model", workers_per_model=1) as running:
        yield running


def own(bench, target="m", **findings):
    return bench.model(target, **{"is_data": False} | findings)


async def test_each_model_has_a_worker_for_its_own_folder(bench):
    models = [own(bench, target) for target in ("a", "b")]
    for model in models * 2:
        assert (await bench.ask(model)).body.startswith(b"ok %s" % model.name.encode())
    assert sorted(bench.folders()) == sorted(model.name for model in models)
    assert [bench.workers.workers_of(model.name) for model in models] == [1, 1]


async def test_beside_a_pool_only_models_that_need_it_have_their_own(tmp_path):
    async with running_workers(tmp_path) as bench:
        data, code = bench.model("data"), own(bench, "code")
        assert not bench.workers.is_own(data)
        assert bench.workers.is_own(code)
        await asyncio.gather(bench.ask(data), bench.ask(code))
        assert bench.folders() == ["pool", code.name]


async def test_code_that_is_not_allowed_gets_no_worker(tmp_path):
    async with running_workers(tmp_path, allow_code=("yes/*",)) as bench:
        model = own(bench, "no", is_code=True)
        for asked in (bench.ask(model), bench.workers.load(model)):
            with pytest.raises(CodeNotAllowed, match="MME_ALLOW_CODE does not name 'no'") as caught:
                await asked
            assert caught.value.status == 403
        assert bench.folders() == ["pool"]
        assert (await bench.ask(own(bench, "yes/it", is_code=True))).status == 200


async def test_requests_that_come_while_it_starts_share_one_start(bench):
    model = own(bench)
    answers = await asyncio.gather(*(bench.ask(model) for _ in range(10)))
    assert [answer.status for answer in answers] == [200] * 10
    assert len(bench.mms.orders) == 1


async def test_a_foreign_handler_is_asked_without_the_models_name(tmp_path):
    async with running_workers(tmp_path, handler=tmp_path / "handler.py") as bench:
        model = bench.model()
        assert bench.settings.is_foreign_handler
        await bench.workers.load(model)
        assert bench.workers.workers_of(model.name) == 1
        assert (await bench.ask(model)).status == 200
        assert [question.model for question in bench.mms.workers[0].asked] == [""]


async def test_a_start_that_fails_tells_everybody_who_waits_why(bench):
    model = own(bench)
    bench.mms.outcomes[str(model.model_dir)] = [Start.FAILS]
    failed = await asyncio.gather(*(bench.ask(model) for _ in range(3)), return_exceptions=True)
    for error in failed:
        assert isinstance(error, LoadFailed)
        told = json.loads(error.body)
        assert (told["message"], told["type"]) == (REPORT["message"], REPORT["type"])
        assert error.status == REPORT["status"]
    assert len(bench.mms.orders) == 1
    assert (await bench.ask(model)).status == 200


async def test_a_foreign_load_that_fails_says_so(tmp_path):
    async with running_workers(tmp_path, handler=tmp_path / "handler.py") as bench:
        model = bench.model()
        bench.mms.outcomes[str(model.model_dir)] = [Start.FAILS]
        with pytest.raises(LoadFailed):
            await bench.workers.load(model)


async def test_a_worker_that_could_not_load_its_model_ends_and_the_next_request_has_another(bench):
    model = own(bench)
    bench.mms.manners[model.name] = Manner.FAIL_TO_LOAD
    answers = await asyncio.gather(*(bench.ask(model) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LoadFailed] * 3
    await until(lambda: model.name not in bench.workers.resident())
    assert bench.workers.workers_of(model.name) == 0
    bench.mms.manners[model.name] = Manner.ANSWER
    assert (await bench.ask(model)).status == 200


async def test_a_worker_that_dies_for_no_reason_while_it_starts_is_started_again(bench):
    model = own(bench)
    bench.mms.outcomes[str(model.model_dir)] = [Start.DIES] * (ATTEMPTS - 1)
    assert (await bench.ask(model)).status == 200
    assert len(bench.mms.orders) == ATTEMPTS
    await until(lambda: len(bench.mms._placed) == 1)


async def test_one_that_dies_at_each_start_is_given_up(bench):
    model = own(bench)
    bench.mms.outcomes[str(model.model_dir)] = [Start.DIES] * ATTEMPTS
    with pytest.raises(LoadFailed, match="No worker could be started"):
        await bench.ask(model)


async def test_what_turns_out_to_have_no_room_gets_that_of_others(bench):
    other, model = own(bench, "other"), own(bench)
    await bench.ask(other)
    bench.mms.outcomes[str(model.model_dir)] = [Start.NO_ROOM]
    assert (await bench.ask(model)).status == 200
    assert bench.workers.workers_of(other.name) == 0


async def test_without_others_no_room_is_the_answer(bench):
    model = own(bench)
    bench.mms.outcomes[str(model.model_dir)] = [Start.NO_ROOM]
    with pytest.raises(LoadFailed) as raised:
        await bench.ask(model)
    assert raised.value.status == 507


async def test_a_worker_that_ends_takes_its_request_along_and_the_next_one_has_another(bench):
    model = own(bench)
    bench.mms.manners[model.name] = Manner.DIE_AFTER_READING
    with pytest.raises(ModelFailed):
        await bench.ask(model)
    bench.mms.manners.clear()
    assert (await bench.ask(model)).status == 200
    assert len(bench.mms.orders) == 2


async def test_requests_behind_one_that_ended_the_worker_are_answered(bench):
    model = own(bench)
    bench.mms.by_body[b"deadly"] = Manner.DIE_AFTER_READING
    deadly, harmless = bench.asking(model, b"deadly"), bench.asking(model)
    assert (await harmless).status == 200
    with pytest.raises(ModelFailed):
        await deadly


async def test_what_its_only_worker_had_not_read_when_it_ended_another_answers(bench):
    model = own(bench)
    await bench.ask(model)
    bench.mms.workers[0].manner = Manner.DIE_BEFORE_READING
    assert (await bench.ask(model)).status == 200
    assert len(bench.mms.orders) == 2


async def test_those_of_a_batch_that_ended_its_only_worker_are_answered(bench):
    model = own(bench, details={"batch": {"max_requests": 2, "max_bytes": 1000}})
    await bench.ask(model)
    first = await bench.held(model)
    bench.mms.by_body[b"deadly"] = Manner.DIE_AFTER_READING
    deadly, harmless = bench.asking(model, b"deadly"), bench.asking(model)
    await until(lambda: bench.workers.counts().waiting == 2)
    bench.let_go()
    assert [(await asked).status for asked in (first, harmless)] == [200, 200]
    with pytest.raises(ModelFailed):
        await deadly


async def test_dropping_ends_all_its_workers_once_they_have_answered(bench):
    model = own(bench)
    asked = await bench.held(model)
    dropping = asyncio.create_task(bench.workers.drop(model))
    await asyncio.sleep(0)
    assert not dropping.done()
    bench.let_go()
    assert (await asked).status == 200
    await dropping
    assert bench.mms.workers == []
    assert (await bench.ask(model)).status == 200


async def test_a_hot_model_has_more_workers_as_long_as_it_is_hot(tmp_path):
    async with running_workers(tmp_path, isolation="model", workers_per_model=2) as bench:
        model = own(bench)
        slow = await bench.held(model)
        bench.mms.manners.clear()
        waiting = bench.asking(model)
        await asyncio.sleep(0)
        bench.clock.skip(0.5)
        assert (await waiting).status == 200
        assert bench.workers.workers_of(model.name) == 2
        bench.let_go()
        await slow
        bench.clock.skip(STAY_S + 1)
        await until(lambda: bench.workers.workers_of(model.name) == 1)


# ---- room


async def test_a_model_leaves_for_another_where_both_do_not_fit(bench):
    first, second = own(bench, "first", unpacked_bytes=BIG), own(bench, unpacked_bytes=BIG)
    bench.memory.worker_bytes = BIG
    await bench.ask(first)
    bench.memory.bytes = Reading(1000 * MIB, 600 * MIB)
    assert (await bench.ask(second)).status == 200
    assert bench.workers.workers_of(first.name) == 0
    await bench.until_there_are(1)


@pytest.mark.parametrize("pin", [("first",), ()])
async def test_where_no_model_may_leave_a_start_waits_for_its_deadline(tmp_path, pin):
    chosen = {"isolation": "model", "pin": pin, "invoke_timeout_s": 1000}
    async with running_workers(tmp_path, **chosen) as bench:
        first, second = own(bench, "first", unpacked_bytes=BIG), own(bench, unpacked_bytes=BIG)
        bench.memory.worker_bytes = BIG
        await bench.ask(first)
        busy = None if pin else await bench.held(first)
        bench.memory.bytes = Reading(1000 * MIB, 600 * MIB)
        asked = bench.asking(second)
        await until(lambda: second.name in bench.workers._own._starts)
        await asyncio.sleep(0)
        bench.clock.skip(bench.settings.ready_timeout_s / 2)
        assert not asked.done()
        bench.clock.skip(bench.settings.ready_timeout_s)
        with pytest.raises(ModelNotReady, match="no loaded model may leave"):
            await asked
        assert bench.workers.workers_of(first.name) == 1
        if busy is not None:
            busy.cancel()


async def test_a_start_goes_on_when_room_comes(tmp_path):
    async with running_workers(tmp_path, isolation="model", pin=("first",)) as bench:
        first, second = own(bench, "first"), own(bench, unpacked_bytes=BIG)
        await bench.ask(first)
        bench.memory.bytes = Reading(1000 * MIB, 600 * MIB)
        asked = bench.asking(second)
        await until(lambda: second.name in bench.workers._own._starts)
        bench.memory.bytes = Reading(1000 * MIB, 100 * MIB)
        assert (await asked).status == 200


async def test_alone_a_model_that_looks_too_large_is_tried(bench):
    assert (await bench.ask(own(bench, unpacked_bytes=2000 * MIB))).status == 200


async def test_where_models_are_refused_that_cannot_fit_one_is(tmp_path):
    async with running_workers(tmp_path, isolation="model", refuses_unfitting=True) as bench:
        with pytest.raises(LoadFailed) as raised:
            await bench.ask(own(bench, unpacked_bytes=2000 * MIB))
        assert raised.value.status == 507
        assert bench.mms.orders == []


async def test_when_memory_gets_short_idle_models_leave(bench):
    model = own(bench)
    await bench.ask(model)
    bench.memory.bytes = Reading(1000 * MIB, 900 * MIB)
    await until(lambda: bench.workers.workers_of(model.name) == 0)
    bench.memory.bytes = Reading(1000 * MIB, 0)
    assert (await bench.ask(model)).status == 200


async def test_when_tasks_get_short_idle_models_leave(bench):
    model = own(bench)
    await bench.ask(model)
    bench.memory.tasks = Reading(100, 90)
    await until(lambda: bench.workers.workers_of(model.name) == 0)


async def test_when_memory_gets_short_models_of_the_pool_are_dropped(tmp_path):
    async with running_workers(tmp_path) as bench:
        model = bench.model(own_bytes=200 * MIB)
        await bench.ask(model)
        bench.memory.bytes = Reading(1000 * MIB, 900 * MIB)
        await until(lambda: not bench.mms.workers[0].models)
        assert bench.workers.workers_of(model.name) == 0


async def test_workers_beyond_the_fewest_go_before_any_model_does(tmp_path):
    async with running_workers(tmp_path, pool_min=1, pool_max=2) as bench:
        slow, model = bench.model("slow"), bench.model()
        held_up = await bench.held(slow)
        waiting = bench.asking(model)
        await asyncio.sleep(0)
        bench.clock.skip(0.5)
        await waiting
        await bench.until_there_are(2)
        bench.let_go()
        await held_up
        bench.memory.tasks = Reading(100, 90)
        await bench.until_there_are(1)


async def test_where_tasks_are_short_no_further_worker_comes(tmp_path):
    async with running_workers(tmp_path, pool_min=1, pool_max=2) as bench:
        slow = await bench.held(bench.model("slow"))
        bench.memory.tasks = Reading(100, 90)
        waiting = bench.asking(bench.model())
        await asyncio.sleep(0)
        bench.clock.skip(0.5)
        bench.workers._groups.step()
        assert len(bench.mms.orders) == 1
        bench.let_go()
        await asyncio.gather(slow, waiting)


async def test_the_least_valuable_idle_model_can_be_made_to_leave(tmp_path):
    async with running_workers(tmp_path, isolation="model", eviction="lru") as bench:
        first, last = own(bench, "first"), own(bench, "last")
        for model in (first, last):
            await bench.ask(model)
        assert await bench.workers.evict_one()
        assert [bench.workers.workers_of(model.name) for model in (first, last)] == [0, 1]
        busy = await bench.held(last)
        assert not await bench.workers.evict_one()
        bench.let_go()
        await busy


async def test_what_models_take_is_measured_and_remembered(bench):
    model = own(bench)
    bench.memory.worker_bytes = 70 * MIB
    await bench.ask(model)
    usage = bench.workers.usage_of(model.name)
    assert usage is not None
    await until(lambda: usage.own_bytes >= 70 * MIB)
    assert bench.workers.own_bytes >= 70 * MIB
    assert bench.book.needed(model.name, 0).bytes >= 70 * MIB


async def test_a_pipeline_is_learned_before_the_worker_starts(bench):
    model = own(bench, pipeline="de")
    asked = bench.asking(model)
    await until(lambda: bench.template.wanted == {"de"})
    assert bench.mms.orders == []
    bench.mms.generation = 2
    bench.template.grow("de")
    assert (await asked).status == 200
