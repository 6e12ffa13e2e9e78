"""Models of several containers: pipelines, and choices that each request makes."""

from __future__ import annotations

import pytest

from mme.core.errors import InvalidRequest, TargetNeeded
from mme.core.pipeline_key import Step, read_key
from mme.endpoints.operation import ControlPlaneError
from mme.jobs.transform.checks import check_request
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.models import created_model
from tests.unit.endpoints.conftest import IMAGE

ONE = {"Image": IMAGE, "ModelDataUrl": "s3://models/one.tar.gz"}
TWO = {"Image": IMAGE, "ModelDataUrl": "s3://models/two.tar.gz"}
MANY = {"Image": IMAGE, "ModelDataUrl": "s3://models/many/", "Mode": "MultiModel"}
DIRECT = {"InferenceExecutionConfig": {"Mode": "Direct"}}


def named(container, name):
    return container | {"ContainerHostname": name}


async def create(plane, *containers, **members):
    """An endpoint `e` of a model with these containers."""
    await plane.ask("CreateModel", ModelName="m", Containers=list(containers), **members)
    await plane.create_config()
    await plane.create()


async def test_containers_are_steps_in_their_order_with_names_by_their_place(plane):
    await create(plane, ONE, TWO)
    chosen = plane.serving.choose("e", None)
    assert (chosen.variant, chosen.target) == ("v1", "")
    key = read_key(chosen.key)
    assert key.name == "e"
    assert key.steps == (
        Step("container-1", "s3://models/one.tar.gz"),
        Step("container-2", "s3://models/two.tar.gz"),
    )


async def test_one_of_them_may_be_chosen_by_the_target_model(plane):
    await create(plane, named(ONE, "clean"), named(MANY, "rank"))
    chosen = plane.serving.choose("e", "de/x.tar.gz")
    assert chosen.target == "de/x.tar.gz"
    assert read_key(chosen.key).steps == (
        Step("clean", "s3://models/one.tar.gz"),
        Step("rank", "s3://models/many/de/x.tar.gz", "de/x.tar.gz"),
    )
    with pytest.raises(TargetNeeded):
        plane.serving.choose("e", None)
    with pytest.raises(InvalidRequest, match="not a plain path"):
        plane.serving.choose("e", "../x")


async def test_a_pipeline_without_many_models_takes_no_target(plane):
    await create(plane, ONE, TWO)
    with pytest.raises(InvalidRequest, match="has no multi-model container, so name no target"):
        plane.serving.choose("e", "x")


async def test_a_restart_changes_nothing_about_a_pipeline(plane):
    await create(plane, ONE, MANY)
    before = plane.serving.choose("e", "x")
    await plane.start()
    assert plane.serving.choose("e", "x") == before


async def test_a_container_is_reached_for_when_an_endpoint_is_made_and_named_if_it_is_not(plane):
    plane.failures["s3://models/many/"] = "there is no such bucket"
    await create(plane, ONE, MANY)
    assert plane.reached == [("s3://models/one.tar.gz", False), ("s3://models/many/", True)]
    told = await plane.ask("DescribeEndpoint", EndpointName="e")
    assert told["FailureReason"] == "Container container-2: there is no such bucket"


async def test_an_endpoint_tells_the_images_of_all_containers(plane):
    await create(plane, ONE, TWO | {"Image": "other/pytorch:2"})
    (told,) = (await plane.ask("DescribeEndpoint", EndpointName="e"))["ProductionVariants"]
    assert [each["SpecifiedImage"] for each in told["DeployedImages"]] == [IMAGE, "other/pytorch:2"]


async def test_of_direct_containers_each_request_names_one(plane):
    await create(plane, named(ONE, "one"), named(MANY, "many"), **DIRECT)
    choose = plane.serving.choose
    assert choose("e", None, container="one").key == "s3://models/one.tar.gz"
    assert choose("e", "x", container="many").key == "s3://models/many/x"
    with pytest.raises(InvalidRequest, match="TargetContainerHostname; there are one, many"):
        choose("e", None)
    with pytest.raises(InvalidRequest, match="'blue' is no container of Endpoint 'e'; there are"):
        choose("e", None, container="blue")
    with pytest.raises(TargetNeeded):
        choose("e", None, container="many")
    with pytest.raises(InvalidRequest, match="name no target model"):
        choose("e", "x", container="one")


async def test_where_there_is_nothing_to_choose_from_naming_a_container_is_refused(plane):
    await create(plane, ONE, TWO)
    for endpoint in ("e", "other"):
        with pytest.raises(InvalidRequest, match="TargetContainerHostname 'container-1' cannot"):
            plane.serving.choose(endpoint, None, container="container-1")


@pytest.mark.parametrize(
    ("containers", "words"),
    [
        ([ONE, {"Image": IMAGE}], "^Container container-2: ModelDataUrl is missing"),
        ([named(ONE, "a"), named({"Image": IMAGE}, "b")], "^Container b: ModelDataUrl"),
        ([named(ONE, "a"), TWO], "name all of them by ContainerHostname, or none"),
        ([named(ONE, "a"), named(TWO, "a")], "each ContainerHostname may be there once"),
        ([MANY, ONE, MANY], "one container may have Mode=MultiModel"),
        ([ONE] * 16, "there are 16, and may be 15"),
        ([ONE, TWO | {"ModelDataUrl": "http://169.254.169.254/x"}], "^Container container-2: .*S3"),
        ([ONE, TWO | {"ModelPackageName": "x"}], "^Container container-2: ModelPackageName"),
    ],
)
async def test_containers_that_cannot_be_served_are_refused_by_name(plane, containers, words):
    with pytest.raises(ControlPlaneError, match=words) as caught:
        await plane.ask("CreateModel", ModelName="m", Containers=containers)
    assert caught.value.code == "ValidationException"


async def test_direct_containers_may_all_have_many_models(plane):
    await create(plane, MANY, MANY, **DIRECT)
    assert plane.serving.choose("e", "x", container="container-2").key == "s3://models/many/x"


async def test_several_containers_cannot_be_serverless(plane):
    await plane.ask("CreateModel", ModelName="m", Containers=[ONE, TWO])
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    variant = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": serverless}
    with pytest.raises(ControlPlaneError, match="several containers cannot be serverless"):
        await plane.create_config("c", ProductionVariants=[variant])


async def test_a_transform_job_asks_a_pipeline_and_refuses_direct_containers(plane):
    await create(plane, ONE, MANY)
    model = created_model(plane.plane.records, "m")
    assert [step.key for step in read_key(model.key("job", "x")).steps] == [
        "s3://models/one.tar.gz",
        "s3://models/many/x",
    ]
    await plane.ask("CreateModel", ModelName="d", Containers=[ONE, TWO], **DIRECT)
    request = {
        "ModelName": "d",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://in/a"}}
        },
        "TransformOutput": {"S3OutputPath": "s3://out/a"},
    }
    with pytest.raises(TransformRefused, match="d has containers of the mode Direct"):
        check_request(request, created_model(plane.plane.records, "d"))
