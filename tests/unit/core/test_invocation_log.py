"""The line of an invocation that came by no request of HTTP, and what is told of any."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from mme.core.answer import Answer
from mme.core.errors import Busy, ModelFailed
from mme.core.invocation_log import Asked, Work, level_of, noted
from mme.core.terms import Terms
from mme.core.timing import StepTime, Timing

TIMING = Timing(fetch_s=0.25, queue_s=0.0005, load_s=0.002, model_s=0.01)


def answer(status=200, target="m-1.tar.gz", timing=TIMING):
    return Answer(status, {}, b"", cold=True, target=target, is_first=True, timing=timing)


@pytest.fixture
def work():
    return Work("async", "demo", Asked("m", inference_id="claim-7"))


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.DEBUG)
    return lambda: [(r.levelno, r.getMessage(), r.target_model) for r in caplog.records]


async def test_it_is_given_an_id_and_its_line_tells_where_the_time_went(work, lines):
    given = []

    async def ask(terms):
        given.append(terms)
        return answer()

    assert (await noted(work, Terms(timeout_s=5), ask)).status == 200
    (terms,) = given
    assert terms.timeout_s == 5
    ((level, text, target),) = lines()
    assert (level, target) == (logging.INFO, "m-1.tar.gz")
    begin, end = text.split(terms.request_id)
    assert begin.startswith("async demo 200 ")
    assert end == " m=m-1.tar.gz first fetch 250.0 queue 0.5 load 2.0 model 10.0 claim-7"


async def test_each_has_an_id_of_its_own(work):
    given = []

    async def ask(terms):
        given.append(terms.request_id)
        return answer()

    for _ in range(3):
        await noted(work, Terms(), ask)
    assert len({*given, ""}) == 4


async def test_a_failure_is_a_warning_that_says_why(work, lines):
    async def ask(_):
        raise Busy("m-1.tar.gz", 7)

    with pytest.raises(Busy):
        await noted(work, Terms(), ask)
    ((level, text, _),) = lines()
    assert level == logging.WARNING
    assert text.startswith("async demo failed ")
    assert "7" in text.split("claim-7", 1)[1]


async def test_a_cancelled_one_has_a_line_too(work, lines):
    async def ask(_):
        await asyncio.Event().wait()

    asking = asyncio.ensure_future(noted(work, Terms(), ask))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    ((level, text, _),) = lines()
    assert level == logging.INFO
    assert text.startswith("async demo left ")


def told(asked):
    return json.loads(f'{{"a":1{asked.members()}}}')


def test_the_members_for_json_are_numbers_and_text():
    asked = Asked('m"x', inference_id="claim\n7")
    asked.answered(answer())
    assert told(asked) == {
        "a": 1, "alias": 'm"x', "inference_id": "claim\n7", "outcome": "first",
        "fetch_ms": 250, "queue_ms": 0.5, "load_ms": 2, "model_ms": 10,
    }  # fmt: skip


def test_of_one_that_was_computed_with_others_it_is_told_how_many_there_were():
    asked = Asked("m", inference_id="c")
    asked.answered(answer(timing=Timing(together=8)))
    assert asked.told() == "m=m-1.tar.gz first queue 0.0 load 0.0 model 0.0 together 8 c"
    assert told(asked)["together"] == 8


def test_before_it_is_answered_it_is_known_by_name_alone():
    asked = Asked("m.tar.gz")
    assert (asked.told(), told(asked)) == ("m.tar.gz", {"a": 1})


def test_a_failed_one_has_times_only_if_it_came_so_far():
    early, late = ModelFailed("m.tar.gz", 0, "x"), ModelFailed("m.tar.gz", 0, "x")
    early.outcome, early.timing = "warm", Timing()
    late.outcome, late.timing = "cold", TIMING
    asked, other = Asked("m.tar.gz"), Asked("m.tar.gz")
    asked.failed(early)
    other.failed(late)
    assert asked.told() == "m.tar.gz warm"
    assert told(asked) == {"a": 1, "outcome": "warm"}
    assert other.told().startswith("m.tar.gz cold fetch 250.0 queue 0.5")


@pytest.mark.parametrize(
    ("status", "level"),
    [(200, logging.INFO), (400, logging.INFO), (424, logging.WARNING), (499, logging.INFO),
     (500, logging.WARNING), (503, logging.WARNING), (507, logging.WARNING)],
)  # fmt: skip
def test_what_is_not_the_callers_fault_is_a_warning(status, level):
    assert level_of(status) == level


STEPS = (StepTime("clean", 0.001), StepTime("rank", 0.0025))


def test_what_each_step_took_is_told_of_pipelines_and_of_ensembles():
    ours = replace(answer(), steps=STEPS)
    theirs = replace(answer(), headers={"x-mme-steps": "clean=0.001,rank=0.0025"})
    for each in (ours, theirs):
        asked = Asked("m", inference_id="i")
        asked.answered(each)
        assert asked.told().endswith(" model 10.0 (clean 1.0, rank 2.5) i")
        assert json.loads(f'{{"x":1{asked.members()}}}')["steps_ms"] == {"clean": 1.0, "rank": 2.5}


def test_the_step_that_failed_is_told_with_those_before_it():
    error = ModelFailed("m", 0, "why")
    error.steps = STEPS
    asked = Asked("m")
    asked.failed(error)
    assert asked.told() == "m (clean 1.0, rank 2.5)"
    assert json.loads(f'{{"x":1{asked.members()}}}')["steps_ms"] == {"clean": 1.0, "rank": 2.5}
