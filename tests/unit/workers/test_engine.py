"""Workers on a fake model server: requests get their answers whatever ends in between."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from mme.core.errors import (
    Busy,
    InvalidRequest,
    LoadFailed,
    ModelFailed,
    ModelTimedOut,
    ShuttingDown,
)
from mme.core.terms import Terms
from mme.workers.engine import NotAdmitted
from mme.workers.requests import MOST_ATTEMPTS
from mme.workers.scaling import STAY_S
from mme.workers.usage import DEADLY
from tests.support.fake_engine import until
from tests.support.fake_mms import FakeMms
from tests.support.fake_worker import Manner
from tests.support.workers import MIB, running_workers

BIG = b"x" * MIB
"""More than a worker takes from its socket at once."""


@pytest.fixture
async def bench(tmp_path):
    async with running_workers(tmp_path) as running:
        yield running


@pytest.fixture
async def pair(tmp_path):
    """A pool of two."""
    async with running_workers(tmp_path, pool_min=2, pool_max=2) as running:
        yield running


@pytest.mark.parametrize("invoke", ["door", "mms"])
async def test_a_model_answers_and_stays_in_memory(tmp_path, invoke):
    async with running_workers(tmp_path, invoke=invoke) as bench:
        model = bench.model()
        first, second = await bench.ask(model), await bench.ask(model)
        assert (first.status, first.body) == (200, b"ok %s 5" % model.name.encode())
        assert first.load_s > 0
        assert second.load_s == 0
        assert bench.workers.workers_of(model.name) == 1
        usage = bench.workers.usage_of(model.name)
        assert usage is not None
        assert (usage.answers, usage.in_flight) == (2, 0)


async def test_a_worker_is_asked_with_the_models_folders(bench):
    model = bench.model()
    await bench.ask(model)
    (question,) = bench.mms.workers[0].asked
    assert question.model == model.name
    assert question.model_dir == str(model.model_dir)
    assert question.scratch_dir == str(model.scratch_dir)
    assert question.headers == {"content-type": "text/plain"}


@pytest.mark.parametrize(
    ("invoke", "wanted_bytes", "told_bytes"),
    [
        ("door", None, None),
        ("door", 6 * MIB, None),
        ("door", 10, 10),
        ("door", 100 * MIB, 100 * MIB),
        ("mms", 10, 10),
        ("mms", 100 * MIB, None),
    ],
)
async def test_a_worker_is_told_the_limit_of_the_answer_where_it_is_not_the_usual_one(
    tmp_path, invoke, wanted_bytes, told_bytes
):
    async with running_workers(tmp_path, invoke=invoke, max_body_bytes=6 * MIB) as bench:
        await bench.ask(bench.model(), terms=Terms(answer_limit_bytes=wanted_bytes))
        (question,) = bench.mms.workers[0].asked
        assert question.answer_limit_bytes == told_bytes


async def test_a_request_with_a_time_of_its_own_fails_when_that_is_over(bench):
    model = bench.model()
    bench.mms.manners[model.name] = Manner.HANG
    with pytest.raises(ModelTimedOut) as raised:
        await bench.ask(model, terms=Terms(timeout_s=0.05))
    assert raised.value.timeout_s == 0.05


async def test_a_request_that_was_given_longer_outlasts_the_usual_time(bench):
    model = bench.model()
    bench.mms.manners[model.name] = Manner.HANG
    asking = asyncio.create_task(bench.ask(model, terms=Terms(timeout_s=3600)))
    await until(lambda: any(worker.reading.is_set() for worker in bench.mms.workers))
    bench.clock.skip(3500)
    bench.let_go()
    assert (await asking).status == 200


async def test_many_requests_to_many_models_are_all_answered(pair):
    models = [pair.model(f"m{n}") for n in range(20)]
    wanted = [(model, b"x" * n) for n, model in enumerate(models * 10)]
    answers = await asyncio.gather(*(pair.ask(model, body) for model, body in wanted))
    assert [answer.body for answer in answers] == [
        b"ok %s %d" % (model.name.encode(), len(body)) for model, body in wanted
    ]


async def test_a_head_that_cannot_be_sent_is_refused(bench):
    with pytest.raises(InvalidRequest):
        await bench.workers.ask(bench.model(), {"a": "b\0c"}, b"")


async def test_loading_asks_a_worker_to_load_only(bench):
    model = bench.model()
    await bench.workers.load(model)
    (question,) = bench.mms.workers[0].asked
    assert (question.body, [*question.headers]) == (b"", ["X-Mme-Load-Only"])
    assert bench.workers.workers_of(model.name) == 1


async def test_no_more_than_so_many_requests_wait_for_one_model(tmp_path):
    async with running_workers(tmp_path, queue_length=2) as bench:
        model, other = bench.model(), bench.model("other")
        asked = [await bench.held(model), bench.asking(model)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await bench.ask(model)
        asked.append(bench.asking(other))
        bench.let_go()
        assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * 3
        assert (await bench.ask(model)).status == 200


async def test_a_model_that_cannot_be_loaded_says_why_and_another_answers(bench):
    bad = bench.model("bad")
    bench.mms.manners[bad.name] = Manner.FAIL_TO_LOAD
    with pytest.raises(LoadFailed) as raised:
        await bench.ask(bad)
    assert (raised.value.status, raised.value.target) == (500, "bad")
    assert "ArtifactError" in raised.value.body
    assert bench.workers.workers_of(bad.name) == 0
    assert (await bench.ask(bench.model())).status == 200


async def test_what_is_not_converted_any_more_must_be_admitted_anew(bench):
    model = bench.model()
    bench.mms.manners[model.name] = Manner.NOT_CONVERTED
    with pytest.raises(NotAdmitted):
        await bench.ask(model)


async def test_a_dropped_model_leaves_every_workers_memory(pair):
    model, other = pair.model(), pair.model("other")
    held = await pair.held(other)
    await pair.ask(model)
    pair.let_go()
    await held
    await pair.workers.drop(model)
    assert pair.workers.workers_of(model.name) == 0
    await until(lambda: not any(model.name in worker.models for worker in pair.mms.workers))
    assert (await pair.ask(model)).load_s > 0


async def test_a_model_dropped_while_its_worker_computes_leaves_when_it_has_answered(bench):
    model, other = bench.model(), bench.model("other")
    await bench.ask(model)
    held = await bench.held(other)
    await bench.workers.drop(model)
    assert bench.workers.workers_of(model.name) == 0
    bench.let_go()
    await held
    await until(lambda: list(bench.mms.workers[0].models) == [other.name])
    assert (await bench.ask(model)).load_s > 0


# ---- callers that leave, time that is over


async def test_a_caller_that_leaves_takes_its_waiting_request_along(bench):
    model, other = bench.model(), bench.model("other")
    held = await bench.held(model)
    leaving = bench.asking(other)
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    bench.let_go()
    await held
    await bench.ask(model)
    assert [question.model for question in bench.mms.workers[0].asked] == [model.name] * 2


async def test_a_caller_that_leaves_a_worker_computing_harms_nobody(bench):
    model = bench.model()
    leaving = await bench.held(model)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    waiting = bench.asking(model)
    bench.let_go()
    assert (await waiting).status == 200


async def test_a_worker_that_computes_for_nobody_is_ended_when_its_time_is_over(bench):
    leaving = await bench.held(bench.model())
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    (pid,) = bench.mms.pids
    bench.mms.manners.clear()
    bench.clock.skip(bench.settings.invoke_timeout_s)
    assert (await bench.ask(bench.model("other"))).status == 200
    assert pid not in bench.mms.pids


async def test_a_request_that_takes_too_long_ends_with_its_worker(bench):
    model = bench.model()
    asked = await bench.held(model)
    (pid,) = bench.mms.pids
    bench.clock.skip(bench.settings.invoke_timeout_s)
    with pytest.raises(ModelTimedOut):
        await asked
    bench.mms.manners.clear()
    assert (await bench.ask(model)).status == 200
    assert pid not in bench.mms.pids
    usage = bench.workers.usage_of(model.name)
    assert usage is not None
    assert 0 < usage.deaths <= 1


async def test_a_request_that_waits_too_long_is_told_that_the_model_is_busy(bench):
    held = await bench.held(bench.model())
    waiting = bench.asking(bench.model("other"))
    await asyncio.sleep(0)
    bench.clock.skip(bench.settings.invoke_timeout_s)
    with pytest.raises(Busy):
        await waiting
    with pytest.raises(ModelTimedOut):
        await held


# ---- workers that end


async def test_what_a_worker_had_not_read_another_answers(pair):
    for worker in pair.mms.workers:
        worker.manner = Manner.DIE_BEFORE_READING
    answer = await pair.ask(pair.model(), BIG)
    assert answer.body.endswith(b" %d" % len(BIG))
    await pair.until_there_are(2)


async def test_a_request_no_worker_lives_to_read_is_given_up(bench):
    bench.mms.manner = bench.mms.workers[0].manner = Manner.DIE_BEFORE_READING
    with pytest.raises(ModelFailed, match=f"{MOST_ATTEMPTS} workers ended") as raised:
        await bench.ask(bench.model(), BIG)
    assert raised.value.status == 0


@pytest.mark.parametrize("manner", [Manner.DIE_AFTER_READING, Manner.DIE_WITHIN_ANSWER])
async def test_a_worker_that_ends_while_it_computes_takes_the_request_along(pair, manner):
    model, other = pair.model(), pair.model("other")
    pair.mms.manners[model.name] = manner
    with pytest.raises(ModelFailed) as raised:
        await pair.ask(model)
    assert raised.value.status == 0
    assert (await pair.ask(other)).status == 200
    await pair.until_there_are(2)


async def test_through_the_model_server_too(tmp_path):
    async with running_workers(tmp_path, invoke="mms") as bench:
        model = bench.model()
        bench.mms.manners[model.name] = Manner.DIE_AFTER_READING
        with pytest.raises(ModelFailed) as raised:
            await bench.ask(model)
        assert raised.value.status == 0
        bench.mms.manners.clear()
        assert (await bench.ask(model)).status == 200


async def test_a_worker_that_does_not_take_its_request_is_replaced_within_a_second(bench):
    (deaf,) = bench.mms.workers
    deaf.manner = Manner.DEAF
    asked = bench.asking(bench.model(), BIG)
    await until(bench.workers._dispatch.requests_in_workers)
    bench.clock.skip(1.0)
    assert (await asked).status == 200
    assert deaf not in bench.mms.workers


async def test_a_worker_that_something_stopped_is_replaced(pair):
    model = pair.model()
    asked = await pair.held(model)
    (stopped,) = (worker for worker in pair.mms.workers if worker.reading.is_set())
    os.kill(stopped.hello.pid, signal.SIGSTOP)
    pair.mms.manners.clear()
    pair.clock.skip(1.0)
    assert (await asked).status == 200
    assert stopped not in pair.mms.workers
    usage = pair.workers.usage_of(model.name)
    assert usage is not None
    assert usage.deaths == 0


async def test_an_idle_worker_that_dies_is_replaced(bench):
    model = bench.model()
    await bench.ask(model)
    os.kill(bench.mms.pids[0], signal.SIGKILL)
    await until(lambda: bench.workers._live.get("w1") is None)
    assert (await bench.ask(model)).load_s > 0
    await until(lambda: "w1" not in bench.mms._placed)


async def test_a_model_that_ends_its_workers_repeatedly_gets_one_of_its_own(bench):
    model = bench.model()
    bench.mms.manners[model.name] = Manner.DIE_AFTER_READING
    for _ in range(int(DEADLY)):
        assert not bench.workers.is_own(model)
        with pytest.raises(ModelFailed):
            await bench.ask(model)
    assert bench.workers.is_own(model)
    bench.mms.manners.clear()
    assert (await bench.ask(model)).status == 200
    assert model.name in bench.folders()
    assert bench.workers.workers_of(model.name) == 1


async def test_requests_that_wait_for_such_a_model_wait_for_its_own_worker(bench):
    model = bench.model()
    bench.mms.by_body[b"deadly"] = Manner.DIE_AFTER_READING
    deadly = [bench.asking(model, b"deadly") for _ in range(int(DEADLY))]
    harmless = bench.asking(model)
    ended = await asyncio.gather(*deadly, return_exceptions=True)
    assert [type(error) for error in ended] == [ModelFailed] * int(DEADLY)
    assert (await harmless).status == 200
    assert model.name in bench.folders()


# ---- how many there are


async def test_a_slow_request_brings_another_worker_which_goes_when_it_is_idle(tmp_path):
    async with running_workers(tmp_path, pool_min=1, pool_max=2) as bench:
        slow = await bench.held(bench.model("slow"))
        waiting = bench.asking(bench.model())
        await asyncio.sleep(0)
        bench.clock.skip(0.5)
        assert (await waiting).status == 200
        await bench.until_there_are(2)
        bench.let_go()
        await slow
        bench.clock.skip(STAY_S + 1)
        await bench.until_there_are(1)
        assert (await bench.ask(bench.model())).status == 200


async def test_a_worker_of_an_older_template_is_replaced_when_a_model_needs_a_newer(bench):
    model = bench.model(pipeline="de")
    asked = bench.asking(model)
    await until(lambda: bench.template.wanted)
    assert not asked.done()
    bench.mms.generation = 2
    bench.template.grow("de")
    assert (await asked).status == 200
    await bench.until_there_are(1)
    assert [worker.hello.generation for worker in bench.mms.workers] == [2]


async def test_a_pipeline_no_template_can_learn_is_no_obstacle(bench):
    bench.template.in_vain = frozenset({"xx"})
    assert (await bench.ask(bench.model(pipeline="xx"))).status == 200


async def test_requests_that_wait_for_a_pipeline_that_cannot_be_learned_are_answered(bench):
    asked = [bench.asking(bench.model(pipeline="xx")) for _ in range(3)]
    await until(lambda: bench.template.wanted)
    assert not any(each.done() for each in asked)
    bench.template.in_vain = frozenset({"xx"})
    assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * 3


# ---- the model server ends, the endpoint ends


@pytest.mark.parametrize("invoke", ["door", "mms"])
async def test_when_the_model_server_ends_requests_are_answered_by_the_next(tmp_path, invoke):
    async with running_workers(tmp_path, invoke=invoke) as bench:
        model = bench.model()
        held, waiting = await bench.held(model), bench.asking(bench.model("other"))
        await bench.mms.end()
        bench.server.detach()
        assert not await bench.workers.is_ready(0.05)
        late = bench.asking(model)
        async with FakeMms(tmp_path / "next", bench.mms.doors) as following:
            bench.server.attach(following.as_server())
            answers = await asyncio.gather(held, waiting, late)
            assert [answer.status for answer in answers] == [200] * 3
            assert await bench.workers.is_ready(5)
            usage = bench.workers.usage_of(model.name)
            assert usage is not None
            assert usage.deaths == 0


async def test_it_is_ready_with_a_server_and_a_worker(bench):
    assert await bench.workers.is_ready(5)
    assert bench.workers.side_by_side == 1


async def test_at_the_end_every_request_is_told_and_none_is_taken(bench):
    asked = [await bench.held(bench.model()), bench.asking(bench.model("other"))]
    await asyncio.sleep(0)
    bench.workers.fail_all()
    for each in asked:
        with pytest.raises(ShuttingDown):
            await each
    with pytest.raises(ShuttingDown):
        await bench.ask(bench.model())


async def test_a_pool_worker_that_cannot_be_started_is_tried_again_later(tmp_path):
    async with running_workers(tmp_path) as bench:
        model = bench.model()
        (bench.root / "pool" / "start").write_text("fails")
        os.kill(bench.mms.pids[0], signal.SIGKILL)
        asked = bench.asking(model)
        await until(lambda: len(bench.mms.orders) > 1 and not bench.workers._groups.starting())
        (bench.root / "pool" / "start").unlink()
        bench.clock.skip(1.0)
        assert (await asked).status == 200
