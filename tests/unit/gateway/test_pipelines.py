"""Pipelines at the runtime's surface: which are asked for, what their answers say of the steps."""

from __future__ import annotations

import pytest

from mme.core.timing import StepTime
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.gateway.pipelines import PipelineViews
from mme.gateway.seeing import Seeing
from mme.pipelines.definition import Pipeline, Step
from mme.pipelines.models import PipelinedModels
from tests.support.fake_engine import Answer, served, view

CONTAINER = "X-Amzn-SageMaker-Target-Container-Hostname"
TARGET = "X-Amzn-SageMaker-Target-Model"
PIPELINE = Pipeline("p", (Step("clean", "a"), Step("rank", "de/", is_targeted=True)))
FAR = Pipeline("far", (Step("other", url="http://secret/x"), Step("a", "a"), Step("s", "s3://b/k")))
NEAR = Pipeline("near", (Step("one", "a"), Step("two", "b")))
PIPELINES = {each.name: each for each in (PIPELINE, FAR, NEAR)}


async def no_url(step, headers, body, terms):
    raise AssertionError(step)


@pytest.fixture
async def endpoint(settings, engine, bodies):
    asked = PipelinedModels(engine, PIPELINES, no_url, 60.0)
    listed = settings.model_copy(update={"endpoint_names": ("listed",)})
    app = make_app(
        listed,
        engine,
        Serving(listed, asked, pipelines=asked),
        bodies,
        is_sample=asked.of_any({"de/m"}.__contains__),
        pipelines=PIPELINES,
        more=Seeing(engine, {}, PipelineViews(PIPELINES, engine)).routes(),
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


async def told(endpoint, path, method="GET", **options):
    async with endpoint.client.request(method, path, **options) as answer:
        return answer.status, await answer.json()


async def test_pipelines_are_listed_beside_models_with_their_steps(endpoint, engine):
    engine.views = {"a": view("a", "on-disk")}
    _, page = await told(endpoint, "/models")
    assert [each["target_model"] for each in page["models"]] == ["a"]
    far, near, targeted = page["pipelines"]
    assert far == {
        "pipeline": "far",
        "state": "on-disk",
        "takes_target_model": False,
        "steps": [
            {"name": "other", "is_container": True},
            {"name": "a", "target_model": "a", "state": "on-disk"},
            {"name": "s", "target_model": "s3://b/k"},
        ],
    }
    assert near["state"] == near["steps"][1]["state"] == "missing"
    assert targeted["takes_target_model"]
    assert targeted["steps"][1] == {"name": "rank", "targets": "de/"}
    assert "pipelines" not in (await told(endpoint, "/models?state=ready"))[1]
    assert [each["pipeline"] for each in (await told(endpoint, "/models?prefix=n"))[1]["pipelines"]]


async def test_a_pipeline_is_described_and_its_state_explained(endpoint, engine):
    engine.views = {"a": view("a"), "b": view("b", "on-disk")}
    status, content = await told(endpoint, "/models/near")
    assert (status, content["pipeline"], content["state"]) == (200, "near", "on-disk")
    _, why = await told(endpoint, "/models/near/why")
    assert why["state"] == "on-disk"
    assert "Step one: a, ready; Step two: b, on-disk." in why["why"]
    _, why = await told(endpoint, "/models/far/why")
    assert "Step other: another container, of which nothing is known here" in why["why"]
    assert "secret" not in why["why"]
    assert (
        "a model of de/ that the request names" in (await told(endpoint, "/models/p/why"))[1]["why"]
    )


async def test_a_pipelines_sample_request_is_that_of_its_first_model(endpoint, engine):
    engine.views = {"a": view("a")}
    status, sample = await told(endpoint, "/models/near/sample")
    assert (status, sample["body"]) == (200, "a text")
    assert "accept" not in sample
    status, refused = await told(endpoint, "/models/far/sample")
    assert status == 400
    assert "whose first step is another container" in refused["Message"]


async def test_to_load_a_pipeline_is_to_load_its_models(endpoint, engine):
    engine.views = {}
    status, content = await told(endpoint, "/models", "POST", json={"target_model": "near"})
    assert (status, content["state"]) == (200, "ready")
    assert set(engine.views) == {"a", "b"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/models/near"), ("PUT", "/models/near/pin"), ("DELETE", "/models/near/pin")],
)
async def test_a_pipeline_does_not_leave_nor_stay_its_models_are_named(
    endpoint, engine, method, path
):
    engine.views = {"a": view("a"), "b": view("b")}
    status, refused = await told(endpoint, path, method)
    assert status == 400
    assert "its models: a, b" in refused["Message"]
    assert set(engine.views) == {"a", "b"}
