"""Scalable targets and policies: kept, described, and when an endpoint may go to zero."""

from __future__ import annotations

import pytest

from mme.endpoints.operation import ControlPlaneError

PLACE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/v1",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {
    "TargetValue": 5.0,
    "CustomizedMetricSpecification": {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": "AWS/SageMaker",
        "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
        "Statistic": "Average",
    },
    "ScaleInCooldown": 120,
    "ScaleOutCooldown": 60,
}


async def register(plane, least=0, most=5, **members):
    return await plane.ask(
        "RegisterScalableTarget", **PLACE | members, MinCapacity=least, MaxCapacity=most
    )


async def put_policy(plane, name="p", **members):
    given = {
        "PolicyName": name,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": TRACKING,
    }
    return await plane.ask("PutScalingPolicy", **PLACE | given | members)


async def test_a_target_and_its_policy_are_described_as_they_were_given(plane):
    await plane.create_all()
    arn = (await register(plane))["ScalableTargetARN"]
    assert (await put_policy(plane))["Alarms"] == []
    await plane.start()
    (target,) = (await plane.ask("DescribeScalableTargets", ServiceNamespace="sagemaker"))[
        "ScalableTargets"
    ]
    assert target["ScalableTargetARN"] == arn
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 5)
    assert target["RoleARN"].startswith("arn:aws:iam::")
    (policy,) = (await plane.ask("DescribeScalingPolicies", ServiceNamespace="sagemaker"))[
        "ScalingPolicies"
    ]
    assert policy["PolicyName"] == "p"
    assert policy["TargetTrackingScalingPolicyConfiguration"] == TRACKING
    assert policy["PolicyARN"].endswith("/sagemaker/endpoint/e/variant/v1:policyName/p")


async def test_a_target_that_is_registered_again_keeps_what_is_not_named(plane):
    await plane.create_all()
    first = await register(plane)
    again = await plane.ask("RegisterScalableTarget", **PLACE, MaxCapacity=7)
    assert again == first
    (told,) = (await plane.ask("DescribeScalableTargets", **PLACE | {"ResourceIds": []}))[
        "ScalableTargets"
    ]
    assert (told["MinCapacity"], told["MaxCapacity"]) == (0, 7)


async def test_what_is_deregistered_takes_its_policies_along(plane):
    await plane.create_all()
    await register(plane)
    await put_policy(plane)
    await plane.ask("DeregisterScalableTarget", **PLACE)
    assert (await plane.ask("DescribeScalingPolicies", ServiceNamespace="sagemaker"))[
        "ScalingPolicies"
    ] == []
    for operation, members in (
        ("DeregisterScalableTarget", {}),
        ("DeleteScalingPolicy", {"PolicyName": "p"}),
        ("PutScalingPolicy", {"PolicyName": "p", "StepScalingPolicyConfiguration": {}}),
    ):
        with pytest.raises(ControlPlaneError, match="registered for service namespace") as caught:
            await plane.ask(operation, **PLACE, **members)
        assert caught.value.code == "ObjectNotFoundException"


async def test_policies_come_in_pages(plane):
    await plane.create_all()
    await register(plane)
    for name in ("p1", "p2", "p3"):
        await put_policy(plane, name)
    request = {"ServiceNamespace": "sagemaker", "MaxResults": 2}
    first = await plane.ask("DescribeScalingPolicies", **request)
    second = await plane.ask("DescribeScalingPolicies", **request, NextToken=first["NextToken"])
    shown = [each["PolicyName"] for page in (first, second) for each in page["ScalingPolicies"]]
    assert shown == ["p1", "p2", "p3"]
    assert second["NextToken"] is None


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"ResourceId": "endpoint/never/variant/v1"}, "Could not find endpoint"),
        ({"ResourceId": "endpoint/e/variant/blue"}, "no variant 'blue'; it has v1"),
        ({"ResourceId": "e"}, "endpoint/NAME/variant/NAME"),
        ({"ServiceNamespace": "ecs"}, "Only the ServiceNamespace sagemaker"),
        ({"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"}, "Only the"),
        ({"MinCapacity": 6}, "not above MaxCapacity"),
        ({"MinCapacity": -1}, "MinCapacity must be 0 or more"),
    ],
)
async def test_a_target_that_is_no_variant_of_an_endpoint_is_refused(plane, members, words):
    await plane.create_all()
    given = PLACE | {"MinCapacity": 0, "MaxCapacity": 5} | members
    with pytest.raises(ControlPlaneError, match=words):
        await plane.ask("RegisterScalableTarget", **given)


async def test_a_first_registration_names_both_capacities(plane):
    await plane.create_all()
    with pytest.raises(ControlPlaneError, match="MinCapacity is missing"):
        await plane.ask("RegisterScalableTarget", **PLACE, MaxCapacity=1)


async def test_an_endpoint_whose_every_variant_may_go_to_zero_is_idle_after_the_cool_down(plane):
    assert plane.serving.idle_after_s() is None
    await plane.create_all()
    assert plane.serving.idle_after_s() is None
    await register(plane)
    assert plane.serving.idle_after_s() == 300
    await put_policy(plane)
    assert plane.serving.idle_after_s() == 120
    await register(plane, least=1)
    assert plane.serving.idle_after_s() is None


async def test_of_several_endpoints_the_longest_cool_down_counts_and_all_must_allow_it(plane):
    await plane.create_all()
    await register(plane)
    await put_policy(plane)
    await plane.create("other")
    assert plane.serving.idle_after_s() is None
    await register(plane, ResourceId="endpoint/other/variant/v1")
    assert plane.serving.idle_after_s() == 300


async def test_scaling_in_that_is_suspended_keeps_an_endpoint_up(plane):
    await plane.create_all()
    await register(plane, SuspendedState={"DynamicScalingInSuspended": True})
    assert plane.serving.idle_after_s() is None


async def test_a_new_endpoint_of_an_old_name_has_no_old_targets(plane):
    await plane.create_all()
    await register(plane)
    await put_policy(plane)
    await plane.ask("DeleteEndpoint", EndpointName="e")
    await plane.ask("DeleteScalingPolicy", **PLACE, PolicyName="p")  # as scripts may do then
    await plane.create()
    assert plane.serving.idle_after_s() is None
    assert (await plane.ask("DescribeScalableTargets", ServiceNamespace="sagemaker"))[
        "ScalableTargets"
    ] == []


async def test_a_variant_has_fifty_policies_at_most(plane):
    await plane.create_all()
    await register(plane)
    for number in range(50):
        await put_policy(plane, f"p{number}")
    await put_policy(plane, "p0")
    with pytest.raises(ControlPlaneError, match="50 policies") as caught:
        await put_policy(plane, "another")
    assert caught.value.code == "LimitExceededException"
