"""What an invocation goes to: variants, targets, asynchronous endpoints, names nobody created."""

from __future__ import annotations

import pytest

from mme.core.errors import EndpointNotFound, InvalidRequest, TargetNotFound
from mme.store import TargetDenied

TOPIC = "arn:aws:sns:eu-central-1:000000000000:done"


async def test_a_target_is_joined_to_the_prefix_of_its_endpoint(plane):
    await plane.create_all()
    chosen = plane.serving.choose("e", "de/DocSim.tar.gz")
    assert (chosen.key, chosen.target, chosen.variant, chosen.endpoint) == (
        "s3://models/a/de/DocSim.tar.gz",
        "de/DocSim.tar.gz",
        "v1",
        "e",
    )


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("s3://models", "s3://models/x"),
        ("s3://models/", "s3://models/x"),
        ("s3://models/a", "s3://models/ax"),
        ("https://s3.eu-central-1.amazonaws.com/models/a/", "s3://models/a/x"),
        ("https://models.s3.amazonaws.com/a/", "s3://models/a/x"),
    ],
)
async def test_nothing_is_put_between_prefix_and_target_but_the_end_of_a_bucket(plane, url, key):
    await plane.create_model(url=url)
    await plane.create_config()
    await plane.create()
    assert plane.serving.choose("e", "x").key == key


@pytest.mark.parametrize("target", ["", "../b/x", "/x", "a//b", ".", "s3://other/x", "a\\b", " x"])
async def test_a_target_cannot_leave_its_prefix(plane, target):
    await plane.create_all()
    with pytest.raises(InvalidRequest):
        plane.serving.choose("e", target)


async def test_a_single_model_endpoint_takes_no_target(plane):
    url = "s3://models/a/DocSim.tar.gz"
    await plane.create_model(url=url, Mode="SingleModel")
    await plane.create_config()
    await plane.create()
    chosen = plane.serving.choose("e", None)
    assert (chosen.key, chosen.target) == (url, "")
    assert plane.reached == [(url, False)]
    with pytest.raises(InvalidRequest, match=r"'e' is not a multi-model endpoint.*no target"):
        plane.serving.choose("e", "x.tar.gz")


async def test_a_multi_model_endpoint_needs_a_target(plane):
    await plane.create_all()
    with pytest.raises(InvalidRequest, match="'e' is a multi-model endpoint: name a target"):
        plane.serving.choose("e", None)


@pytest.mark.parametrize(
    ("weights", "drawn", "variant"),
    [
        ((1.0, 3.0), 0.0, "v1"),
        ((1.0, 3.0), 0.2499, "v1"),
        ((1.0, 3.0), 0.25, "v2"),
        ((1.0, 3.0), 0.9999, "v2"),
        ((0.0, 1.0), 0.0, "v2"),
        ((1.0, 0.0), 0.9999, "v1"),
        ((0.0, 0.0), 0.5, "v1"),
    ],
)
async def test_weights_choose_the_variant(plane, weights, drawn, variant):
    await plane.create_model()
    await plane.create_model("m2", "s3://models/b/")
    await plane.create_config("c", *weights)
    await plane.create()
    plane.draw = lambda: drawn
    chosen = plane.serving.choose("e", "x")
    assert chosen.variant == variant
    assert chosen.key == ("s3://models/a/x" if variant == "v1" else "s3://models/b/x")


async def test_a_variant_that_is_named_is_taken_whatever_it_weighs(plane):
    await plane.create_model()
    await plane.create_model("m2")
    await plane.create_config("c", 1.0, 0.0)
    await plane.create()
    assert plane.serving.choose("e", "x", "v2").variant == "v2"
    with pytest.raises(InvalidRequest, match="'blue' is not one of the endpoint's: it has v1, v2"):
        plane.serving.choose("e", "x", "blue")


async def test_a_name_nobody_created_answers_from_the_store_as_ever(plane):
    await plane.create_all()
    assert plane.serving.choose("other", "x").key == "x"
    assert plane.serving.choose("other", "x").variant == "AllTraffic"
    assert plane.serving.choose("", "x").key == "x"
    with pytest.raises(InvalidRequest, match="'blue' is not one of the endpoint's"):
        plane.serving.choose("other", "x", "blue")


async def test_created_endpoints_answer_beside_the_names_that_are_listed(plane):
    await plane.create_all()
    await plane.start(endpoint_names=("listed",))
    assert plane.serving.choose("e", "x").key == "s3://models/a/x"
    assert plane.serving.choose("listed", "x").key == "x"
    with pytest.raises(EndpointNotFound):
        plane.serving.choose("other", "x")


async def test_an_asynchronous_endpoint_refuses_real_time_calls_and_tells_its_terms(plane):
    output = {
        "S3OutputPath": "https://out.s3.amazonaws.com/x/",
        "S3FailurePath": "s3://out/failed/",
        "NotificationConfig": {
            "SuccessTopic": TOPIC,
            "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
        },
    }
    client = {"MaxConcurrentInvocationsPerInstance": 4}
    await plane.create_all(AsyncInferenceConfig={"OutputConfig": output, "ClientConfig": client})
    with pytest.raises(InvalidRequest, match="InvokeEndpointAsync, not InvokeEndpoint"):
        plane.serving.check_real_time("e")
    terms = plane.serving.async_terms("e")
    assert (terms.output_uri, terms.failure_uri) == ("s3://out/x/", "s3://out/failed/")
    assert (terms.success_topic, terms.error_topic) == (TOPIC, "")
    assert terms.responses_in == {"SUCCESS_NOTIFICATION_TOPIC"}
    assert terms.most_concurrent == 4


async def test_any_other_endpoint_takes_real_time_calls_only(plane):
    await plane.create_all()
    plane.serving.check_real_time("e")
    plane.serving.check_real_time("other")
    for name, words in ("e", "no AsyncInferenceConfig"), ("other", "MME_ASYNC_OUTPUT"):
        with pytest.raises(InvalidRequest, match=words):
            plane.serving.async_terms(name)
    assert plane.serving.most_concurrent("e") is None


async def test_where_a_place_for_answers_is_set_others_answer_both_ways(plane):
    await plane.start(async_output="s3://out/x/")
    assert plane.serving.async_terms("any").output_uri == "s3://out/x/"
    plane.serving.check_real_time("any")


async def test_a_target_that_is_missing_is_named_as_its_caller_named_it(plane):
    await plane.create_all()
    chosen = plane.serving.choose("e", "de/x.tar.gz")
    plane.engine.failure = TargetNotFound(chosen.key, chosen.key)
    with pytest.raises(TargetNotFound) as caught:
        await plane.serving.invoke(chosen, {}, b"")
    assert caught.value.message == (
        "Target model 'de/x.tar.gz' was not found: tried s3://models/a/de/x.tar.gz,"
        " there is no such object"
    )


async def test_the_kind_of_what_is_missing_stays(plane):
    await plane.create_all()
    chosen = plane.serving.choose("e", "x.tar.gz")
    plane.engine.failure = TargetDenied(chosen.key, chosen.key, "access is denied")
    with pytest.raises(TargetDenied, match=r"^Target model 'x\.tar\.gz' .*access is denied$"):
        await plane.serving.invoke(chosen, {}, b"")
