"""All operations of the control plane, each with all members that it is said to take.

Played once over an S3 in memory; what was read of requests and told in answers is noted.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from unittest import mock

from mme.core.database import Database
from mme.endpoints import definitions, scaling
from mme.endpoints.control_plane import ControlPlane
from mme.endpoints.operation import ControlPlaneError
from mme.gateway.shapes import checked
from mme.jobs.transform.operations import Operations
from mme.jobs.transform.service import TransformJobs
from tests.support.api_coverage import model, named, structure
from tests.support.api_members import TABLE
from tests.support.api_watching import Watched, paths, put, sample
from tests.support.transforming import FakeModel, MemoryPlaces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from botocore.model import Shape

SERVICES = ("sagemaker", "application-autoscaling")
SERVICE_OF = {name: service for service in SERVICES for name in TABLE[service]}
GONE = "s3://gone/"
TAGS = [{"Key": "k", "Value": "v"}]
EVER = {"CreationTimeBefore": 2**32, "CreationTimeAfter": 0}
SINCE = EVER | {"LastModifiedTimeBefore": 2**32, "LastModifiedTimeAfter": 0}
FIRST = {"SortBy": "Name", "SortOrder": "Ascending", "NameContains": "n", "MaxResults": 1}
SERVERLESS = "ProductionVariants.ServerlessConfig"
V1 = {"VariantName": "v1", "ModelName": "n-many", "InstanceType": "ml.m5.large"}
LATER = {
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
    "OutputConfig": {
        "S3OutputPath": "s3://data/out",
        "S3FailurePath": "s3://data/failures",
        "NotificationConfig": {
            "SuccessTopic": "arn:aws:sns:us-east-1:000000000000:good",
            "ErrorTopic": "arn:aws:sns:us-east-1:000000000000:bad",
            "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
        },
    },
}
NO_REQUEST = "ValidationException"
"""What the surface answers to a request that the service's model does not allow."""
OVER = ("Completed", "Failed", "Stopped")


class Scenario:
    """What was asked and answered, by operation."""

    def __init__(self, operations: Mapping[str, Callable[[Any], Awaitable[Any]]]) -> None:
        self.operations = operations
        self.asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.read: dict[str, set[str]] = defaultdict(set)
        """Paths of members that were looked up."""
        self.answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.errors: dict[str, set[str]] = defaultdict(set)
        """Their codes."""
        self.refusals: dict[tuple[str, str], str] = {}
        """Of members that are said to be refused: the message, or "" if they are not."""

    async def ask(self, name: str, **request: Any) -> dict[str, Any]:
        """One operation."""
        shape = model(SERVICE_OF[name]).operation_model(name).input_shape
        taken, problems = checked(shape, request)  # type: ignore[arg-type] # all have an input
        assert not problems, problems
        self.asked[name].append(request)
        answer = await self.operations[name](Watched(taken, self.read[name]))
        self.answers[name].append(answer)
        return answer

    async def fill(self, name: str, *without: str, **request: Any) -> dict[str, Any]:
        """One operation, with all that is kept put into the structures there are."""
        members = TABLE[SERVICE_OF[name]][name]
        for path in named(members, "kept", "ignored"):
            if path not in without:
                put(request, path, sample(shape_at(name, path)))
        return await self.ask(name, **request)

    async def pages(self, name: str, **request: Any) -> None:
        """A list, on two pages."""
        first = await self.ask(name, **request)
        await self.ask(name, **request, NextToken=first["NextToken"])

    async def refuse(self, name: str, path: str) -> None:
        """An operation that was possible, with a member that is said to be refused."""
        request = deepcopy(self.asked[name][0])
        put(request, path, sample(shape_at(name, path)))
        request[next(iter(request))] = "n-refused"
        try:
            await self.operations[name](request)
        except ControlPlaneError as error:
            self.refusals[name, path] = error.message
        else:
            self.refusals[name, path] = ""

    async def fail(self, name: str, **request: Any) -> None:
        """An operation that cannot be done."""
        shape = model(SERVICE_OF[name]).operation_model(name).input_shape
        taken, problems = checked(shape, request)  # type: ignore[arg-type] # as above
        if problems:
            self.errors[name].add(NO_REQUEST)
            return
        try:
            await self.operations[name](taken)
        except ControlPlaneError as error:
            self.errors[name].add(error.code)

    def told(self, name: str) -> set[str]:
        """What was in the answers of an operation."""
        return {path for answer in self.answers[name] for path in paths(answer)}

    def given(self, name: str) -> set[str]:
        """What was in the requests of an operation."""
        return {path for request in self.asked[name] for path in paths(request)}


def shape_at(name: str, path: str) -> Shape:
    """The shape of an operation's input member."""
    found: Shape | None = model(SERVICE_OF[name]).operation_model(name).input_shape
    for part in path.split("."):
        inner = structure(found)
        assert inner is not None, path
        found = inner.members[part]
    assert found is not None
    return found


async def played(folder: Path) -> Scenario:
    """The scenario, over a state in `folder`."""

    async def reach(uri: str, is_prefix: bool) -> str:
        del is_prefix
        return "there is nothing" if uri.startswith(GONE) else ""

    database = Database(folder / "state.sqlite")
    try:
        plane = await ControlPlane.open(database, reach)
        places = MemoryPlaces({"s3://data/in/a.csv": b"a,b\n"})
        jobs = TransformJobs(plane.records, database, places, FakeModel(lambda body: body))
        await jobs.go_on()
        transforms = Operations(plane.records, jobs).operations()
        scenario = Scenario({**plane.operations(), **transforms})
        await _models(scenario)
        await _configs(scenario)
        await _endpoints(scenario)
        await _scaling(scenario, plane)
        await _transforms(scenario)
        await _refusals(scenario)
        await _failures(scenario)
        await _ends(scenario)
        await jobs.close()
    finally:
        database.close()
    return scenario


async def _models(play: Scenario) -> None:
    container = {"Mode": "MultiModel", "ModelDataUrl": "s3://models/all/"}
    many = await play.fill("CreateModel", ModelName="n-many", PrimaryContainer=container, Tags=TAGS)
    source = {"S3Uri": "s3://models/a.tar.gz", "S3DataType": "S3Object", "CompressionType": "Gzip"}
    one = {"ModelDataSource": {"S3DataSource": source}}
    await play.fill("CreateModel", ModelName="n-one", PrimaryContainer=one)
    gone = {"ModelDataUrl": f"{GONE}a.tar.gz"}
    await play.ask("CreateModel", ModelName="n-gone", Containers=[gone])
    two = [
        {"ContainerHostname": name, "ModelDataUrl": f"s3://models/{name}.tar.gz"} for name in "ab"
    ]
    mode = {"Mode": "Direct"}
    await play.ask("CreateModel", ModelName="n-two", Containers=two, InferenceExecutionConfig=mode)
    for name in ("n-many", "n-one", "n-gone", "n-two"):
        await play.ask("DescribeModel", ModelName=name)
    await play.pages("ListModels", **FIRST, **EVER)
    arn = many["ModelArn"]
    await play.ask("AddTags", ResourceArn=arn, Tags=[{"Key": "more", "Value": "v"}])
    await play.fill("ListTags", ResourceArn=arn)
    await play.ask("DeleteTags", ResourceArn=arn, TagKeys=["k"])


async def _configs(play: Scenario) -> None:
    name, counted = "CreateEndpointConfig", {"InitialVariantWeight": 2.0, "InitialInstanceCount": 2}
    await play.fill(
        name,
        SERVERLESS,
        EndpointConfigName="n-plain",
        ProductionVariants=[V1 | counted],
        ShadowProductionVariants=[V1 | {"VariantName": "shadow"}],
        Tags=TAGS,
    )
    serverless = {
        "VariantName": "v1",
        "ModelName": "n-one",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    await play.ask(name, EndpointConfigName="n-serverless", ProductionVariants=[serverless])
    await play.fill(
        name,
        SERVERLESS,
        "ShadowProductionVariants",
        EndpointConfigName="n-later",
        ProductionVariants=[dict(V1)],
        AsyncInferenceConfig=deepcopy(LATER),
    )
    gone = V1 | {"ModelName": "n-gone"}
    await play.ask(name, EndpointConfigName="n-gone", ProductionVariants=[gone])
    for config in ("n-plain", "n-serverless", "n-later"):
        await play.ask("DescribeEndpointConfig", EndpointConfigName=config)
    await play.pages("ListEndpointConfigs", **FIRST, **EVER)


async def _endpoints(play: Scenario) -> None:
    for name in ("n-plain", "n-serverless", "n-later", "n-gone"):
        await play.fill("CreateEndpoint", EndpointName=name, EndpointConfigName=name, Tags=TAGS)
        await play.ask("DescribeEndpoint", EndpointName=name)
    await play.pages("ListEndpoints", **FIRST, **SINCE, StatusEquals="InService")
    desired = [{"VariantName": "v1", "DesiredWeight": 3.0, "DesiredInstanceCount": 3}]
    await play.fill(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="n-plain",
        DesiredWeightsAndCapacities=desired,
    )
    await play.ask(
        "UpdateEndpoint",
        EndpointName="n-plain",
        EndpointConfigName="n-plain",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
        RetainDeploymentConfig=False,
        DeploymentConfig={"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "another"}]}},
    )
    await play.ask("DescribeEndpoint", EndpointName="n-plain")


async def _scaling(play: Scenario, plane: ControlPlane) -> None:
    service = {"ServiceNamespace": "sagemaker"}
    dimension = {"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
    places = [
        service | dimension | {"ResourceId": f"endpoint/{name}/variant/v1"}
        for name in ("n-plain", "n-serverless")
    ]
    for place in places:
        suspended = {"DynamicScalingInSuspended": False}
        await play.fill("RegisterScalableTarget", **place, MinCapacity=0, SuspendedState=suspended)
    wanted = {"ResourceIds": [place["ResourceId"] for place in places]}
    await play.pages("DescribeScalableTargets", **service, **dimension, **wanted, MaxResults=1)
    kinds = {
        "StepScaling": "StepScalingPolicyConfiguration",
        "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
        "PredictiveScaling": "PredictiveScalingPolicyConfiguration",
    }
    for kind, member in kinds.items():
        told = {"ScaleInCooldown": 5} if kind == "TargetTrackingScaling" else None
        content = {member: told or sample(shape_at("PutScalingPolicy", member))}
        others = [each for each in kinds.values() if each != member]
        named_so = {"PolicyName": kind, "PolicyType": kind}
        await play.fill("PutScalingPolicy", *others, **places[0], **named_so, **content)
    plane.idle_after_s()
    names = {"PolicyNames": list(kinds), "MaxResults": 2}
    await play.pages("DescribeScalingPolicies", **places[0], **names)
    with mock.patch.object(scaling, "MOST_POLICIES", 0):
        new = content | {"PolicyName": "more", "PolicyType": kind}
        await play.fail("PutScalingPolicy", **places[0], **new)
    await play.ask("DeleteScalingPolicy", **places[0], PolicyName="StepScaling")
    await play.ask("DeregisterScalableTarget", **places[0])
    for name in ("DeregisterScalableTarget", "DeleteScalingPolicy", "PutScalingPolicy"):
        policy: dict[str, Any] = {} if name.startswith("Dereg") else {"PolicyName": "StepScaling"}
        policy |= content | {"PolicyType": kind} if name.startswith("Put") else {}
        await play.fail(name, **places[0], **policy)
    for name in TABLE["application-autoscaling"]:
        await play.fail(name)
        await play.fail(name, **service, NextToken="no token")


async def _transforms(play: Scenario) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/in/"}}
    job = {
        "ModelName": "n-many",
        "MaxConcurrentTransforms": 2,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 5, "InvocationsMaxRetries": 1},
        "MaxPayloadInMB": 1,
        "BatchStrategy": "SingleRecord",
        "Environment": {"MME_TARGET_MODEL": "a.tar.gz"},
        "TransformInput": {
            "DataSource": source,
            "ContentType": "text/csv",
            "CompressionType": "None",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": "s3://data/out",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "DataProcessing": {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "Input"},
        "Tags": TAGS,
    }
    await play.fill("CreateTransformJob", TransformJobName="n-1", **deepcopy(job))
    await play.ask("StopTransformJob", TransformJobName="n-1")
    await play.fill("CreateTransformJob", TransformJobName="n-2", **deepcopy(job))
    nothing = {"DataSource": {"S3DataSource": source["S3DataSource"] | {"S3Uri": "s3://data/no/"}}}
    failing = deepcopy(job) | {"TransformInput": nothing | {"ContentType": "text/csv"}}
    await play.fill("CreateTransformJob", TransformJobName="n-3", **failing)
    async with asyncio.timeout(20):
        for name in ("n-1", "n-2", "n-3"):
            status = ""
            while status not in OVER:
                told = await play.ask("DescribeTransformJob", TransformJobName=name)
                status = told["TransformJobStatus"]
                await asyncio.sleep(0.01)
    await play.pages("ListTransformJobs", **FIRST, **SINCE)
    await play.ask("ListTransformJobs", StatusEquals="Failed")


async def _refusals(play: Scenario) -> None:
    for name, service in SERVICE_OF.items():
        for path in named(TABLE[service][name], "refused"):
            await play.refuse(name, path)


async def _failures(play: Scenario) -> None:
    job = play.asked["CreateTransformJob"][0]
    with mock.patch.object(definitions, "MOST_OF_A_KIND", 0):
        for name in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint"):
            another = deepcopy(play.asked[name][0])
            another[f"{name.removeprefix('Create')}Name"] = "another"
            await play.fail(name, **another)
        for name in ("UpdateEndpoint", "UpdateEndpointWeightsAndCapacities"):
            await play.fail(name, **play.asked[name][0])
        await play.fail("CreateTransformJob", **job | {"TransformJobName": "another"})
    await play.fail("CreateTransformJob", **job)
    await play.fail("CreateTransformJob", **job | {"TransformJobName": "n", "ModelName": "no"})
    for name in ("DescribeTransformJob", "StopTransformJob"):
        await play.fail(name, TransformJobName="no")


async def _ends(play: Scenario) -> None:
    await play.ask("DeleteEndpoint", EndpointName="n-plain")
    await play.ask("DeleteEndpointConfig", EndpointConfigName="n-plain")
    await play.ask("DeleteModel", ModelName="n-many")
