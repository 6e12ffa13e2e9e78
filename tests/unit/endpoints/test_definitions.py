"""Models and endpoint configurations: kept as they were given, refused where they cannot serve."""

from __future__ import annotations

import logging

import pytest

from mme.endpoints.arns import REGION
from mme.endpoints.operation import ControlPlaneError
from tests.unit.endpoints.conftest import IMAGE

ARCHIVE = "s3://models/a/DocSim.tar.gz"
CONTAINER = {"Image": IMAGE, "ModelDataUrl": ARCHIVE}
VARIANT = {
    "VariantName": "v",
    "ModelName": "m",
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
}
SERVERLESS = {
    "VariantName": "v",
    "ModelName": "m",
    "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
}


def source(**facts):
    place = {"S3Uri": ARCHIVE, "S3DataType": "S3Object", "CompressionType": "Gzip"}
    return {"Image": IMAGE, "ModelDataSource": {"S3DataSource": place | facts}}


async def test_a_model_is_described_as_it_was_given(plane):
    given = {
        "ModelName": "M-1",
        "PrimaryContainer": CONTAINER | {"Environment": {"A": "b"}},
        "ExecutionRoleArn": "arn:aws:iam::000000000000:role/x",
    }
    answer = await plane.ask("CreateModel", **given, Tags=[{"Key": "k", "Value": "v"}])
    told = await plane.ask("DescribeModel", ModelName="M-1")
    assert told.pop("ModelArn") == answer["ModelArn"]
    assert answer["ModelArn"] == "arn:aws:sagemaker:us-east-1:000000000000:model/m-1"
    assert told.pop("CreationTime").tzinfo is not None
    assert told == given


async def test_an_arn_has_the_region_of_its_request(plane):
    token = REGION.set("eu-west-3")
    try:
        answer = await plane.ask("CreateModel", ModelName="m", PrimaryContainer=CONTAINER)
    finally:
        REGION.reset(token)
    assert answer["ModelArn"] == "arn:aws:sagemaker:eu-west-3:000000000000:model/m"


@pytest.mark.parametrize(
    "model",
    [
        {"PrimaryContainer": CONTAINER},
        {"Containers": [CONTAINER]},
        {"PrimaryContainer": source()},
        {"PrimaryContainer": CONTAINER | {"Mode": "MultiModel", "ModelDataUrl": "s3://models"}},
    ],
)
async def test_models_that_can_be_served_are_taken(plane, model):
    await plane.ask("CreateModel", ModelName="m", **model)
    assert plane.plane.containers_of_model("m").uri.startswith("s3://models/")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({}, "PrimaryContainer or Containers"),
        ({"PrimaryContainer": CONTAINER, "Containers": [CONTAINER]}, "either PrimaryContainer"),
        ({"PrimaryContainer": {"Image": IMAGE}}, "ModelDataUrl is missing"),
        ({"PrimaryContainer": {"ModelPackageName": "x"}}, "ModelPackageName is not served"),
        ({"PrimaryContainer": source() | CONTAINER}, "either ModelDataUrl or ModelDataSource"),
        ({"PrimaryContainer": source(S3DataType="S3Prefix")}, "one archive is served"),
        ({"PrimaryContainer": source(CompressionType="None")}, "one archive is served"),
        ({"PrimaryContainer": source() | {"Mode": "MultiModel"}}, "Mode=MultiModel"),
    ],
)
async def test_models_that_cannot_be_served_are_refused_by_what_they_name(plane, model, words):
    with pytest.raises(ControlPlaneError, match=words) as caught:
        await plane.ask("CreateModel", ModelName="m", **model)
    assert caught.value.code == "ValidationException"
    assert (await plane.ask("ListModels"))["Models"] == []


@pytest.mark.hostile("parameters")
@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "https://example.org/a.tar.gz",
        "https://s3.amazonaws.com.example.org/b/a.tar.gz",
        "https://169.254.169.254/latest/meta-data",
        "https://user@s3.amazonaws.com/b/a.tar.gz",
        "http://s3.amazonaws.com/b/a.tar.gz",
        "s3:///a.tar.gz",
        "s3://../a.tar.gz",
        "s3://models/../other/a.tar.gz",
        "s3://models//a.tar.gz",
        "s3://models/a.tar.gz\n",
        "https://s3.amazonaws.com/models/%2e%2e/a.tar.gz",
        "s3://models/folder/",
    ],
)
async def test_an_artifact_is_one_object_in_s3_and_nothing_else(plane, url):
    with pytest.raises(ControlPlaneError):
        await plane.create_model(url=url, Mode="SingleModel")


async def test_an_image_that_is_not_ours_is_said_to_be_served_by_our_families(plane, caplog):
    with caplog.at_level(logging.WARNING):
        await plane.create_model()
        assert not caplog.text
        await plane.create_model("m2", Image="763104351884.dkr.ecr.x.amazonaws.com/pytorch:2")
    assert "the families here serve it" in caplog.text


async def test_a_name_that_is_taken_is_refused_in_whatever_case(plane):
    await plane.create_model()
    with pytest.raises(ControlPlaneError, match="Cannot create already existing model"):
        await plane.create_model("M")
    await plane.create_config()
    with pytest.raises(ControlPlaneError, match="already existing endpoint configuration"):
        await plane.create_config("C")


@pytest.mark.parametrize(
    ("word", "name"), [("Model", "model"), ("EndpointConfig", "endpoint configuration")]
)
async def test_what_is_not_there_is_a_validation_exception(plane, word, name):
    for operation in ("Describe", "Delete"):
        with pytest.raises(ControlPlaneError, match=f"^Could not find {name} ") as caught:
            await plane.ask(f"{operation}{word}", **{f"{word}Name": "never"})
        assert caught.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"ProductionVariants": [VARIANT, VARIANT]}, "may be there once"),
        ({"ShadowProductionVariants": [{**VARIANT, "VariantName": "v1"}]}, "may be there once"),
        ({"ProductionVariants": [{**VARIANT, "ModelName": "never"}]}, "Could not find model"),
        ({"ProductionVariants": [{"VariantName": "v"}]}, "inference components"),
        ({"ProductionVariants": [SERVERLESS]}, "cannot be serverless"),
        ({"ProductionVariants": [{"VariantName": "v", "ModelName": "m"}]}, "no InstanceType"),
        ({"ExplainerConfig": {"ClarifyExplainerConfig": {}}}, "ExplainerConfig is not served"),
        (
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "https://example.org/"}}},
            "S3OutputPath: ",
        ),
    ],
)
async def test_configurations_that_cannot_be_served_are_refused(plane, members, words):
    await plane.create_model()
    with pytest.raises(ControlPlaneError, match=words):
        await plane.create_config("c", **members)


async def test_one_model_may_be_serverless(plane):
    await plane.create_model(url=ARCHIVE, Mode="SingleModel")
    await plane.create_config("c", ProductionVariants=[SERVERLESS])
    await plane.create()
    (told,) = (await plane.ask("DescribeEndpoint", EndpointName="e"))["ProductionVariants"]
    assert told["CurrentServerlessConfig"] == SERVERLESS["ServerlessConfig"]
    assert "CurrentInstanceCount" not in told


async def test_a_shadow_variant_is_kept_gets_no_requests_and_the_log_says_so(plane, caplog):
    await plane.create_model()
    await plane.create_model("m2", "s3://models/b/")
    with caplog.at_level(logging.INFO):
        shadow = {**VARIANT, "ModelName": "m2", "VariantName": "shadow"}
        await plane.create_config("c", ShadowProductionVariants=[shadow])
    assert "ShadowProductionVariants" in caplog.text
    await plane.create()
    plane.draw = lambda: 0.999
    assert plane.serving.choose("e", "x").variant == "v1"
    told = await plane.ask("DescribeEndpoint", EndpointName="e")
    assert told["ShadowProductionVariants"][0]["VariantName"] == "shadow"


async def test_there_is_an_end_to_how_much_can_be_created(plane, monkeypatch):
    monkeypatch.setattr("mme.endpoints.definitions.MOST_OF_A_KIND", 1)
    await plane.create_all()
    for create in (plane.create_model, plane.create_config, plane.create):
        with pytest.raises(ControlPlaneError, match="no more") as caught:
            await create("another")
        assert caught.value.code == "ResourceLimitExceeded"


async def test_there_is_an_end_to_how_much_room_it_takes(plane, monkeypatch):
    await plane.create_model(Environment={"A": "x" * 1000})
    assert plane.plane.records.size_chars > 1000
    monkeypatch.setattr("mme.endpoints.definitions.MOST_CHARS", 1000)
    with pytest.raises(ControlPlaneError, match="may take no more"):
        await plane.create_config()
    await plane.ask("DeleteModel", ModelName="m")
    assert plane.plane.records.size_chars == 0
    await plane.create_model()
