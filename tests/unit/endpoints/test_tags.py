"""Tags, and what is kept of them."""

from __future__ import annotations

import pytest

from mme.endpoints.operation import ControlPlaneError

ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"


def tag(key, value="v"):
    return {"Key": key, "Value": value}


async def listed(plane, arn=ARN):
    return (await plane.ask("ListTags", ResourceArn=arn))["Tags"]


async def test_tags_are_given_at_creation_added_and_deleted(plane):
    await plane.create_model()
    await plane.create_config()
    await plane.create(Tags=[tag("a"), tag("b")])
    assert await listed(plane) == [tag("a"), tag("b")]
    added = await plane.ask("AddTags", ResourceArn=ARN, Tags=[tag("b", "new"), tag("c")])
    assert added["Tags"] == [tag("a"), tag("b", "new"), tag("c")]
    await plane.ask("DeleteTags", ResourceArn=ARN, TagKeys=["a", "never"])
    await plane.start()
    assert await listed(plane) == [tag("b", "new"), tag("c")]


async def test_tags_go_with_what_they_are_of(plane):
    await plane.create_model()
    await plane.create_config()
    await plane.create(Tags=[tag("a")])
    await plane.ask("DeleteEndpoint", EndpointName="e")
    with pytest.raises(ControlPlaneError, match="Could not find"):
        await listed(plane)
    await plane.create()
    assert await listed(plane) == []


async def test_what_is_not_there_has_no_tags(plane):
    for operation, members in (("AddTags", {"Tags": []}), ("DeleteTags", {"TagKeys": ["a"]})):
        with pytest.raises(ControlPlaneError, match="Could not find") as caught:
            await plane.ask(operation, ResourceArn=ARN, **members)
        assert caught.value.code == "ValidationException"


async def test_a_resource_has_fifty_tags_at_most(plane):
    await plane.create_all()
    await plane.ask("AddTags", ResourceArn=ARN, Tags=[tag(str(number)) for number in range(50)])
    with pytest.raises(ControlPlaneError, match="50 tags"):
        await plane.ask("AddTags", ResourceArn=ARN, Tags=[tag("more")])
