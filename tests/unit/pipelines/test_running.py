"""Requests through pipelines: what goes from step to step, what comes back, who is named."""

from __future__ import annotations

import asyncio
import logging

import pytest

from mme.core.errors import (
    Busy,
    InvalidRequest,
    LoadFailed,
    ModelFailed,
    ModelNotReady,
    ModelTimedOut,
    TargetNeeded,
    TargetNotFound,
)
from mme.core.parts import Parts
from mme.core.pipeline_key import in_short
from mme.core.terms import Terms
from mme.core.timing import StepTime, Timing
from mme.pipelines.definition import Pipeline, Step
from tests.unit.pipelines.conftest import answered, key_of

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
TARGET = "x-amzn-sagemaker-target-model"
SIX = 6 * 1024 * 1024
FIVE = 5 * 1024 * 1024


async def test_each_answer_is_the_next_request(models, pipelined):
    answer = await pipelined().invoke(key_of("a", "b", "c"), {"Content-Type": "text/csv"}, b"x")
    assert (answer.status, answer.body) == (200, b"xabc")
    assert [each.body for each in models.asked] == [b"x", b"xa", b"xab"]


async def test_what_is_no_pipeline_goes_through_as_it_is(models, pipelined):
    terms = Terms(3.0)
    answer = await pipelined().invoke("a.tar.gz", {"X-Any": "y"}, b"x", terms)
    assert answer.body == b"xa.tar.gz"
    [asked] = models.asked
    assert (asked.headers, asked.terms) == ({"X-Any": "y"}, terms)


async def test_the_type_of_an_answer_is_the_next_requests_and_accept_is_for_the_last(
    models, pipelined
):
    models.answers["a"] = answered(b"[]", "application/json")
    models.answers["b"] = answered(b"?", "")
    await pipelined().invoke(
        key_of("a", "b", "c"), {"Content-Type": "text/csv", "Accept": "image/png"}, b"x"
    )
    assert [each.headers for each in models.asked] == [
        {"content-type": "text/csv"},
        {"content-type": "application/json"},
        {"accept": "image/png"},
    ]


async def test_attributes_go_on_to_all_steps_as_sent_or_as_a_step_has_set_them(models, pipelined):
    models.answers["b"] = answered(headers={ATTRIBUTES: "from\nb\u00fc"})
    await pipelined().invoke(key_of("a", "b", "c"), {ATTRIBUTES: "mine", "X-Other": "y"}, b"x")
    assert [each.headers.get(ATTRIBUTES) for each in models.asked] == [
        "mine", "mine", "fromb\\xfc",
    ]  # fmt: skip
    assert all("x-other" not in each.headers for each in models.asked)


async def test_a_step_of_the_file_may_ask_for_a_form_of_its_own(models, pipelined):
    pipeline = Pipeline("p", (Step("one", "a", accept="text/plain"), Step("two", "b")))
    await pipelined(pipeline).invoke("pipeline://p", {"Accept": "image/png"}, b"x")
    assert [each.headers["accept"] for each in models.asked] == ["text/plain", "image/png"]


async def test_the_target_model_is_the_chosen_steps_alone(models, pipelined):
    pipeline = Pipeline("p", (Step("one", "a"), Step("two", "de/", is_targeted=True)))
    engine = pipelined(pipeline)
    key = engine.key("p", "b.tar.gz")
    assert key == "pipeline://p/b.tar.gz"
    await engine.invoke(key, {"X-Amzn-SageMaker-Target-Model": "b.tar.gz"}, b"x")
    assert [(each.key, each.headers.get(TARGET)) for each in models.asked] == [
        ("a", None),
        ("de/b.tar.gz", "b.tar.gz"),
    ]


async def test_a_pipeline_says_whether_it_takes_a_target_model(pipelined):
    chosen = Pipeline("chosen", (Step("one", "a"), Step("two", "", is_targeted=True)))
    engine = pipelined(chosen, Pipeline("fixed", (Step("one", "a"), Step("two", "b"))))
    assert engine.key("other", "b") is None
    assert engine.key("fixed", None) == "pipeline://fixed"
    with pytest.raises(TargetNeeded):
        engine.key("chosen", None)
    with pytest.raises(InvalidRequest, match="'fixed' is a pipeline without a step that requests"):
        engine.key("fixed", "b")


async def test_a_queued_request_for_a_pipeline_that_is_gone_is_told_so(pipelined):
    with pytest.raises(InvalidRequest, match="no pipeline 'p': MME_PIPELINES has it no more"):
        await pipelined().invoke("pipeline://p", {}, b"x")


async def test_an_error_answer_ends_it_and_says_whose_it_is(models, pipelined):
    models.answers["b"] = answered(b"too short", status=400)
    answer = await pipelined().invoke(key_of("a", "b", "c"), {}, b"x")
    assert (answer.status, answer.body, answer.speaker) == (400, b"too short", "container-2")
    assert [each.key for each in models.asked] == ["a", "b"]


@pytest.mark.parametrize(
    "failure",
    [
        ModelFailed("b", 0, "its worker died"),
        LoadFailed("b", 500, "no room"),
        ModelNotReady("b", "still loading"),
        Busy("b", 100),
        TargetNotFound("b", "s3://x/b"),
    ],
)
async def test_a_step_without_an_answer_is_named_and_the_kind_of_error_stays(
    models, pipelined, failure
):
    models.answers["b"] = failure
    with pytest.raises(type(failure)) as caught:
        await pipelined().invoke(key_of("a", "b"), {}, b"x")
    assert caught.value.message == (f"Step 'container-2' of the pipeline 'e': {failure.message}")
    if isinstance(failure, ModelFailed):
        assert (caught.value.speaker, caught.value.body) == ("container-2", failure.body)


async def test_a_missing_target_is_called_what_its_caller_called_it(models, pipelined):
    models.answers["s3://m/b"] = TargetNotFound("s3://m/b", "s3://m/b")
    with pytest.raises(TargetNotFound, match="Target model 'b' was not found: tried s3://m/b"):
        await pipelined().invoke(key_of("a", "s3://m/b", chosen="b"), {}, b"x")


async def test_no_more_than_five_mib_go_from_step_to_step(models, pipelined):
    models.answers |= {"a": answered(b"x" * FIVE), "b": answered(b"x" * (FIVE + 1))}
    with pytest.raises(ModelFailed) as caught:
        await pipelined().invoke(key_of("a", "b", "c"), {}, b"x" * SIX)
    assert caught.value.speaker == "container-2"
    assert caught.value.body == (f"its answer has {FIVE + 1} bytes; between steps may be {FIVE}")
    assert [each.terms.answer_limit_bytes for each in models.asked] == [FIVE, FIVE]


async def test_the_last_answer_may_be_as_large_as_the_caller_takes(models, pipelined):
    models.answers["b"] = answered(b"x" * SIX)
    answer = await pipelined().invoke(
        key_of("a", "b"), {}, b"x", Terms(answer_limit_bytes=64 * FIVE)
    )
    assert len(answer.body) == SIX
    assert models.asked[-1].terms.answer_limit_bytes == 64 * FIVE


async def test_all_steps_share_one_deadline(models, pipelined):
    models.takes_s = {"a": 4.0, "b": 3.0}
    await pipelined().invoke(key_of("a", "b", "c"), {}, b"x", Terms(10.0))
    assert [each.terms.timeout_s for each in models.asked] == [10.0, 6.0, 3.0]


async def test_bringing_a_model_in_does_not_count(models, pipelined):
    models.takes_s = {"a": 50.0}
    models.answers["a"] = answered(timing=Timing(fetch_s=49.0), is_first=True, cold=True)
    answer = await pipelined(timeout_s=5.0).invoke(key_of("a", "b"), {}, b"x")
    assert models.asked[1].terms.timeout_s == 4.0
    assert (answer.is_first, answer.cold, answer.timing.fetch_s) == (True, True, 49.0)


async def test_at_the_deadline_no_further_step_is_asked(models, pipelined):
    models.takes_s = {"a": 5.0}
    with pytest.raises(ModelTimedOut) as caught:
        await pipelined(timeout_s=5.0).invoke(key_of("a", "b"), {}, b"x")
    assert [each.key for each in models.asked] == ["a"]
    assert caught.value.speaker == "container-2"
    assert caught.value.body == "The steps of the pipeline have not answered within 5 s"


async def test_a_step_that_takes_what_was_left_is_told_of_by_the_whole_time(models, pipelined):
    models.takes_s = {"a": 2.0, "b": 3.0}
    models.answers["b"] = ModelTimedOut("b", 3.0)
    with pytest.raises(ModelTimedOut) as caught:
        await pipelined(timeout_s=5.0).invoke(key_of("a", "b"), {}, b"x")
    assert (caught.value.status, caught.value.speaker) == (0, "container-2")
    assert "within 5 s" in caught.value.body


async def test_a_step_may_have_less_time_than_is_left(models, pipelined):
    models.answers["b"] = ModelTimedOut("b", 2.0)
    pipeline = Pipeline("p", (Step("one", "a"), Step("two", "b", timeout_s=2.0)))
    with pytest.raises(ModelTimedOut, match="did not answer within 2 s"):
        await pipelined(pipeline).invoke("pipeline://p", {}, b"x")
    assert [each.terms.timeout_s for each in models.asked] == [60.0, 2.0]


async def test_a_caller_that_leaves_takes_the_step_with_it(models, pipelined):
    models.answers["b"] = None
    asking = asyncio.ensure_future(pipelined().invoke(key_of("a", "b", "c"), {}, b"x"))
    while len(models.asked) < 2:  # noqa: ASYNC110 - a turn of the loop each
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    assert models.left == ["b"]
    assert [each.key for each in models.asked] == ["a", "b"]


async def test_the_answer_says_what_each_step_took(models, pipelined):
    models.takes_s = {"a": 0.25, "b": 0.5}
    models.answers["a"] = answered(timing=Timing(queue_s=0.05, model_s=0.2))
    models.answers["b"] = answered(timing=Timing(queue_s=0.1, model_s=0.4))
    answer = await pipelined().invoke(key_of("a", "b"), {}, b"x")
    assert answer.steps == (StepTime("container-1", 0.25), StepTime("container-2", 0.5))
    assert answer.timing.queue_s == pytest.approx(0.15)
    assert answer.timing.model_s == pytest.approx(0.6)


async def test_how_long_steps_take_is_counted_for_pipelines_of_the_file(models, pipelined):
    models.takes_s = {"a": 0.25}
    engine = pipelined(Pipeline("p", (Step("one", "a"), Step("two", "b"))))
    models.answers["b"] = ModelFailed("b", 500, "broken")
    for _ in range(2):
        with pytest.raises(ModelFailed):
            await engine.invoke("pipeline://p", {}, b"x")
    await engine.invoke(key_of("a", "c"), {}, b"x")
    counted = {key: (each.count, each.total_s) for key, each in engine.durations.items()}
    assert counted == {("p", "one"): (2, 0.5), ("p", "two"): (2, 0.0)}


async def test_a_failure_says_what_the_steps_before_it_took(models, pipelined):
    models.takes_s = {"a": 0.25}
    models.answers["b"] = ModelFailed("b", 500, "broken")
    with pytest.raises(ModelFailed) as caught:
        await pipelined().invoke(key_of("a", "b"), {}, b"x")
    assert caught.value.steps == (StepTime("container-1", 0.25), StepTime("container-2", 0.0))


async def test_the_log_tells_of_each_step_at_debug(models, pipelined, caplog):
    models.takes_s = {"a": 0.25}
    with caplog.at_level(logging.DEBUG, "mme.pipelines"):
        await pipelined().invoke(key_of("a", "b"), {}, b"x", Terms(request_id="id-1"))
    [record] = [each for each in caplog.records if each.name.startswith("mme.pipelines")]
    assert record.getMessage() == (
        "pipeline e: container-1 250.0 ms 1 -> 200 2; container-2 0.0 ms 2 -> 200 3"
    )
    assert record.request_id == "id-1"


async def test_parts_are_the_last_steps_alone(models, pipelined):
    parts = Parts()
    await pipelined().invoke(key_of("a", "b"), {}, b"x", Terms(parts=parts))
    assert [each.terms.parts for each in models.asked] == [None, parts]


async def test_sessions_are_refused(models, pipelined):
    with pytest.raises(InvalidRequest, match="SessionId cannot be used with a pipeline"):
        await pipelined().invoke(
            key_of("a", "b"), {"X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}, b"x"
        )
    assert models.asked == []


def test_the_log_calls_a_pipeline_by_its_name():
    assert in_short(key_of("a", "b")) == "pipeline://e"
    assert in_short("pipeline://p/a[1].tar.gz") == "pipeline://p/a[1].tar.gz"
    assert in_short("s3://b/[") == "s3://b/["
