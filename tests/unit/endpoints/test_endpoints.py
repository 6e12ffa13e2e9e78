"""Endpoints: created, updated, deleted, and what becomes of them after a restart."""

from __future__ import annotations

import asyncio

import pytest

from mme.core.errors import InvalidRequest
from mme.endpoints.control_plane import SERVED
from mme.endpoints.operation import ControlPlaneError
from tests.unit.endpoints.conftest import IMAGE


async def test_an_endpoint_is_in_service_at_once_and_says_what_it_is_made_of(plane):
    await plane.create_all()
    told = await plane.ask("DescribeEndpoint", EndpointName="e")
    assert told["EndpointStatus"] == "InService"
    assert told["EndpointConfigName"] == "c"
    assert told["EndpointArn"] == "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"
    assert told["CreationTime"] == told["LastModifiedTime"]
    assert told["CreationTime"].tzinfo is not None
    (variant,) = told["ProductionVariants"]
    assert variant["VariantName"] == "v1"
    assert variant["CurrentWeight"] == variant["DesiredWeight"] == 1.0
    assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"] == 1
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert plane.reached == [("s3://models/a/", True)]


async def test_an_endpoint_whose_store_cannot_be_reached_is_failed_and_says_why(plane):
    plane.failures["s3://models/a/"] = "there is no such bucket"
    await plane.create_all()
    told = await plane.ask("DescribeEndpoint", EndpointName="e")
    assert (told["EndpointStatus"], told["FailureReason"]) == (
        "Failed",
        "there is no such bucket",
    )
    assert "ProductionVariants" not in told
    with pytest.raises(InvalidRequest, match="Failed: there is no such bucket"):
        plane.serving.choose("e", "x.tar.gz")
    with pytest.raises(ControlPlaneError, match="status is Failed"):
        await plane.ask("UpdateEndpoint", EndpointName="e", EndpointConfigName="c")
    await plane.ask("DeleteEndpoint", EndpointName="e")
    assert plane.serving.choose("e", "x.tar.gz").key == "x.tar.gz"


async def test_an_endpoint_is_there_again_after_a_restart(plane):
    await plane.create_all()
    before = await plane.ask("DescribeEndpoint", EndpointName="e")
    await plane.start()
    assert await plane.ask("DescribeEndpoint", EndpointName="e") == before
    assert plane.serving.choose("e", "x.tar.gz").key == "s3://models/a/x.tar.gz"


async def test_an_endpoint_goes_on_with_what_it_had_when_model_and_configuration_are_deleted(plane):
    await plane.create_all()
    await plane.ask("DeleteModel", ModelName="m")
    await plane.ask("DeleteEndpointConfig", EndpointConfigName="c")
    await plane.create_model(url="s3://models/other/")
    await plane.start()
    assert plane.serving.choose("e", "x.tar.gz").key == "s3://models/a/x.tar.gz"
    assert (await plane.ask("DescribeEndpoint", EndpointName="e"))["EndpointConfigName"] == "c"


async def test_an_update_switches_to_the_other_configuration(plane):
    await plane.create_all()
    begun = plane.serving.choose("e", "x.tar.gz")
    await plane.create_model("m2", "s3://models/b/")
    await plane.create_config("c2", 0.0, 1.0)
    await plane.ask("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    told = await plane.ask("DescribeEndpoint", EndpointName="e")
    assert told["EndpointConfigName"] == "c2"
    assert told["LastModifiedTime"] >= told["CreationTime"]
    assert plane.serving.choose("e", "x.tar.gz").key == "s3://models/b/x.tar.gz"
    await plane.serving.invoke(begun, {}, b"")
    assert plane.engine.asked[-1].model == "s3://models/a/x.tar.gz"


async def test_an_update_that_fails_leaves_the_endpoint_as_it_was(plane):
    await plane.create_all()
    await plane.create_model("m2", "s3://gone/")
    await plane.create_config("c2", 1.0, 1.0)
    plane.failures["s3://gone/"] = "there is no such bucket"
    await plane.ask("UpdateEndpoint", EndpointName="e", EndpointConfigName="c2")
    told = await plane.ask("DescribeEndpoint", EndpointName="e")
    assert told["EndpointStatus"] == "InService"
    assert told["EndpointConfigName"] == "c"
    assert told["FailureReason"] == "there is no such bucket"


async def test_weights_and_counts_are_set_for_the_variants_named(plane):
    await plane.create_model()
    await plane.create_model("m2")
    await plane.create_config("c", 1.0, 1.0)
    await plane.create()
    await plane.ask(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[
            {"VariantName": "v1", "DesiredWeight": 0.0, "DesiredInstanceCount": 3}
        ],
    )
    first, second = (await plane.ask("DescribeEndpoint", EndpointName="e"))["ProductionVariants"]
    assert (first["CurrentWeight"], first["CurrentInstanceCount"]) == (0.0, 3)
    assert (second["CurrentWeight"], second["CurrentInstanceCount"]) == (1.0, 1)
    assert plane.serving.choose("e", "x").variant == "v2"
    with pytest.raises(ControlPlaneError, match="no variant 'v3'; it has v1, v2"):
        await plane.ask(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName="e",
            DesiredWeightsAndCapacities=[{"VariantName": "v3"}],
        )


@pytest.mark.parametrize(
    ("options", "weight", "count"),
    [
        ({}, 1.0, 1),
        ({"RetainAllVariantProperties": True}, 0.5, 7),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            1.0,
            7,
        ),
    ],
)
async def test_an_update_keeps_weights_and_counts_if_it_says_so(plane, options, weight, count):
    await plane.create_all()
    await plane.ask(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=[
            {"VariantName": "v1", "DesiredWeight": 0.5, "DesiredInstanceCount": 7}
        ],
    )
    await plane.ask("UpdateEndpoint", EndpointName="e", EndpointConfigName="c", **options)
    (told,) = (await plane.ask("DescribeEndpoint", EndpointName="e"))["ProductionVariants"]
    assert (told["DesiredWeight"], told["DesiredInstanceCount"]) == (weight, count)


@pytest.mark.parametrize("name", ["e", "E"])
async def test_a_name_that_is_taken_is_refused_in_whatever_case(plane, name):
    await plane.create_all()
    with pytest.raises(ControlPlaneError) as caught:
        await plane.create(name)
    assert caught.value.code == "ValidationException"
    assert caught.value.message == (
        "Cannot create already existing endpoint"
        ' "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e".'
    )


async def test_of_two_that_create_the_same_name_at_once_one_is_refused(plane):
    await plane.create_model()
    await plane.create_config()
    outcomes = await asyncio.gather(plane.create(), plane.create(), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["ControlPlaneError", "dict"]


@pytest.mark.parametrize("operation", ["DescribeEndpoint", "DeleteEndpoint"])
async def test_an_endpoint_that_is_not_there_is_a_validation_exception(plane, operation):
    with pytest.raises(ControlPlaneError, match=r'^Could not find endpoint "arn') as caught:
        await plane.ask(operation, EndpointName="never")
    assert caught.value.code == "ValidationException"


async def test_an_endpoint_of_no_configuration_is_refused(plane):
    with pytest.raises(ControlPlaneError, match="Could not find endpoint configuration"):
        await plane.create()


async def test_the_topics_of_an_asynchronous_endpoint_are_told_once(plane):
    topics = {"SuccessTopic": "arn:s", "ErrorTopic": "arn:e"}
    output = {"S3OutputPath": "s3://out/x/", "NotificationConfig": topics}
    await plane.create_all(AsyncInferenceConfig={"OutputConfig": output})
    await plane.ask("UpdateEndpoint", EndpointName="e", EndpointConfigName="c")
    assert plane.topics == ["arn:e", "arn:s"]


async def test_what_is_said_to_be_served_is_what_is_served(plane):
    assert plane.plane.operations().keys() == {name for names in SERVED.values() for name in names}
