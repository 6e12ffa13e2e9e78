"""Pipelines at the runtime's surface: which are asked for, what their answers say of the steps."""

from __future__ import annotations

import pytest

from mme.core.timing import StepTime
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.pipelines.definition import Pipeline, Step
from mme.pipelines.models import PipelinedModels
from tests.support.fake_engine import Answer, served

CONTAINER = "X-Amzn-SageMaker-Target-Container-Hostname"
TARGET = "X-Amzn-SageMaker-Target-Model"
PIPELINE = Pipeline("p", (Step("clean", "a"), Step("rank", "de/", is_targeted=True)))


async def no_url(step, headers, body, terms):
    raise AssertionError(step)


@pytest.fixture
async def endpoint(settings, engine, bodies):
    asked = PipelinedModels(engine, {"p": PIPELINE}, no_url, 60.0)
    listed = settings.model_copy(update={"endpoint_names": ("listed",)})
    app = make_app(
        listed,
        engine,
        Serving(listed, asked, pipelines=asked),
        bodies,
        is_sample=asked.of_any({"de/m"}.__contains__),
    )
    async with served(app) as running:
        yield running


def post(endpoint, name="p", **headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return endpoint.client.post(f"/endpoints/{name}/invocations", data=b"x", headers=given)


async def test_a_pipeline_answers_under_its_name_beside_those_that_are_listed(endpoint, engine):
    engine.answer = Answer(target="de/m", version="7")
    async with post(endpoint, **{TARGET: "m"}) as answer:
        assert answer.status == 200
        assert await answer.read() == b'["ok"]'
        steps = answer.headers["X-Mme-Steps"].split(", ")
        assert [each.partition(";")[0] for each in steps] == ["clean", "rank"]
        assert answer.headers["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"
        assert answer.headers["X-Mme-Sample"] == "true"
        assert "X-Mme-Model-Version" not in answer.headers
    assert [asked.model for asked in engine.asked] == ["a", "de/m"]
    async with post(endpoint, "other", **{TARGET: "m"}) as answer:
        assert answer.status == 400


async def test_what_does_not_fit_a_pipeline_is_refused_before_anything_is_asked(endpoint, engine):
    for headers, words in (
        ({}, "name a target model"),
        ({TARGET: "../m"}, "not a plain path"),
        ({TARGET: "m", CONTAINER: "clean"}, "no containers to choose from"),
        ({TARGET: "m", "X-Amzn-SageMaker-Target-Variant": "blue"}, "it has AllTraffic"),
        ({TARGET: "m", "X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}, "SessionId cannot be used"),
    ):
        async with post(endpoint, **headers) as answer:
            assert answer.status == 400
            assert words in (await answer.json())["Message"]
    assert engine.asked == []


async def test_an_error_answer_of_a_step_names_it_and_the_log_has_no_steps(
    endpoint, engine, caplog
):
    caplog.set_level("INFO", "mme")
    engine.answer = Answer(status=400, body=b"no")
    async with post(endpoint, **{TARGET: "m"}) as answer:
        assert answer.status == 424
        body = await answer.json()
        assert answer.headers["X-Mme-Steps"].startswith("clean;dur=")
    assert body["Message"] == 'Received client error (400) from clean with message "no"'
    assert (body["OriginalStatusCode"], body["OriginalMessage"]) == (400, "no")
    assert "pipeline://p/m" in caplog.text
    assert "step clean answered 400" in caplog.text


async def test_a_stream_says_what_the_steps_took(endpoint, engine):
    path = "/endpoints/p/invocations-response-stream"
    async with endpoint.client.post(path, data=b"x", headers={TARGET: "m"}) as answer:
        assert answer.status == 200
        assert answer.headers["X-Mme-Steps"].startswith("clean;dur=")


def test_an_answer_of_one_model_is_the_models():
    assert Answer().speaker == "model"
    assert Answer(steps=(StepTime("a", 0.1), StepTime("b", 0.2))).speaker == "b"
