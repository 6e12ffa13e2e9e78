"""What the template comes to is accepted, and served, by an endpoint of ours in SageMaker's place.

The resolved properties of model, configuration, endpoint, scalable target and policies are sent as
CloudFormation would send them, by boto3; artifacts, answers and topics are in moto's server.
"""

from __future__ import annotations

import json

import boto3
import pytest

from tests.support.cloudformation import FOLDER, Resolved
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.s3 import running_s3
from tests.support.waiting import eventually

TEMPLATE = FOLDER / "endpoint.yaml"
PAIRS = "Impfstoff,Erbgut"
GIVEN = {"Repository": "mme", "ImageVersion": ":1", "ModelBucket": "models", "ModelPrefix": "de/"}
ASYNCHRONOUS = GIVEN | {
    "Inference": "Asynchronous",
    "Artifact": "DocSim.tar.gz",
    "InputBucket": "requests",
    "OutputBucket": "answers",
}
OURS = ("SAGEMAKER", "SAGEMAKER_RUNTIME", "APPLICATION_AUTO_SCALING")
SCALING_POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
ALARM = "AWS::CloudWatch::Alarm"


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """Our endpoint as SageMaker and Application Auto Scaling, moto's server as all else."""
    with running_s3() as server, pytest.MonkeyPatch.context() as environment:
        given = {
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": server.url,
        }
        s3 = server.client()
        for bucket in ("models", "requests", "answers"):
            s3.create_bucket(Bucket=bucket)
        s3.upload_file(str(PROJECT / "artifacts/DocSim.tar.gz"), "models", "de/DocSim.tar.gz")
        scratch = tmp_path_factory.mktemp("aws")
        with running_endpoint(str(PROJECT / "artifacts"), scratch, given) as endpoint:
            for name, value in given.items():
                environment.setenv(name, value)
            for service in OURS:
                environment.setenv(f"AWS_ENDPOINT_URL_{service}", endpoint.url)
            environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
            environment.setattr(boto3, "DEFAULT_SESSION", None)
            yield s3


def create(stack, name, parameters, **replaced):
    """What CloudFormation would call; returns the resolved template."""
    found = Resolved(TEMPLATE, parameters, stack)
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_model(ModelName=f"{name}-model", **found.properties("Model"))
    config = found.properties("EndpointConfig")
    config["ProductionVariants"][0]["ModelName"] = f"{name}-model"
    if replaced:
        config["AsyncInferenceConfig"]["OutputConfig"]["NotificationConfig"] |= replaced
    sagemaker.create_endpoint_config(EndpointConfigName=f"{name}-config", **config)
    return found


def endpoint_of(found, name):
    given = found.properties("Endpoint")
    alarms = given["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    assert [each["AlarmName"] for each in alarms] == ["ServerErrors", "SlowModels"]
    return {"EndpointName": given["EndpointName"], "EndpointConfigName": f"{name}-config"}, given


def scale(found):
    """Register the target, put the policies; returns the policies' names by type."""
    scaling = boto3.client("application-autoscaling")
    target = found.properties("ScalableTarget")
    scaling.register_scalable_target(**target)
    place = {k: target[k] for k in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
    for name, kind in found.made().items():
        if kind == SCALING_POLICY:
            policy = found.properties(name)
            assert policy.pop("ScalingTargetId") == found["ScalableTarget"].physical_resource_id
            scaling.put_scaling_policy(**place, **policy)
    kept = scaling.describe_scaling_policies(**place)["ScalingPolicies"]
    return target, {each["PolicyName"]: each for each in kept}


def test_a_real_time_endpoint_is_made_answers_scales_and_is_updated(aws):
    found = create("texts", "one", GIVEN)
    sagemaker = boto3.client("sagemaker")
    named, _ = endpoint_of(found, "one")
    sagemaker.create_endpoint(**named)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="texts")
    target, policies = scale(found)
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    assert target["ResourceId"] == "endpoint/texts/variant/AllTraffic"
    [tracking] = policies.values()
    assert tracking["TargetTrackingScalingPolicyConfiguration"][
        "PredefinedMetricSpecification"
    ] == {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    runtime = boto3.client("sagemaker-runtime")
    asked = {
        "EndpointName": "texts",
        "TargetModel": "DocSim.tar.gz",
        "ContentType": "text/csv",
        "Body": PAIRS,
    }
    first = runtime.invoke_endpoint(**asked)["Body"].read()
    assert [float(each) for each in json.loads(first)] == pytest.approx([0.384422], abs=1e-5)

    changed = create("texts", "two", GIVEN | {"InstanceType": "ml.c5.large", "LogLevel": "ERROR"})
    named, given = endpoint_of(changed, "two")
    sagemaker.update_endpoint(
        **named,
        RetainAllVariantProperties=given["RetainAllVariantProperties"],
        DeploymentConfig=given["DeploymentConfig"],
    )
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="texts")
    assert sagemaker.describe_endpoint(EndpointName="texts")["EndpointConfigName"] == "two-config"
    assert runtime.invoke_endpoint(**asked)["Body"].read() == first
    sagemaker.delete_endpoint(EndpointName="texts")


def test_an_asynchronous_endpoint_answers_into_its_bucket_and_goes_to_zero_and_back(aws):
    sns = boto3.client("sns")
    topics = {
        "SuccessTopic": sns.create_topic(Name="success")["TopicArn"],
        "ErrorTopic": sns.create_topic(Name="error")["TopicArn"],
    }
    found = create("later", "async", ASYNCHRONOUS, **topics)
    sagemaker = boto3.client("sagemaker")
    named, _ = endpoint_of(found, "async")
    sagemaker.create_endpoint(**named)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="later")
    target, policies = scale(found)
    assert target["MinCapacity"] == 0
    assert set(policies) == {"backlog-per-instance", "from-zero"}
    step = policies["from-zero"]["StepScalingPolicyConfiguration"]
    assert step["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    aws.put_object(Bucket="requests", Key="async/in/1.csv", Body=PAIRS)
    answer = boto3.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="later",
        InputLocation="s3://requests/async/in/1.csv",
        ContentType="text/csv",
    )
    bucket, _, key = answer["OutputLocation"].removeprefix("s3://").partition("/")
    assert (bucket, key.startswith("async/out/")) == ("answers", True)
    assert answer["FailureLocation"].startswith("s3://answers/async/failed/")

    def look():
        listed = aws.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents")
        return aws.get_object(Bucket=bucket, Key=key)["Body"].read() if listed else None

    body = eventually(look, lambda body: body is not None)
    assert [float(each) for each in json.loads(body)] == pytest.approx([0.384422], abs=1e-5)
    sagemaker.delete_endpoint(EndpointName="later")


def test_what_leads_out_of_zero_is_one_alarm_with_one_policy():
    found = Resolved(TEMPLATE, ASYNCHRONOUS)
    alarm = found.properties("BacklogWithoutCapacity")
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert alarm["AlarmActions"] == [found["FromZeroPolicy"].physical_resource_id]
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": "texts"}]


@pytest.mark.parametrize(
    ("more", "is_there", "is_not_there"),
    [
        ({}, {"InvocationsPolicy"}, {"BacklogPolicy", "FromZeroPolicy", "SuccessTopic"}),
        ({"Scaling": "off"}, set(), {"ScalableTarget", "InvocationsPolicy"}),
        (ASYNCHRONOUS, {"BacklogPolicy", "FromZeroPolicy", "SuccessTopic"}, {"InvocationsPolicy"}),
        (ASYNCHRONOUS | {"ScaleToZero": "no"}, {"BacklogPolicy"}, {"FromZeroPolicy"}),
        (ASYNCHRONOUS | {"SuccessTopicArn": "arn"}, {"ErrorTopic"}, {"SuccessTopic"}),
        (ASYNCHRONOUS, {"OldBacklog"}, {"FewCacheHits", "LongLoadingWait"}),
    ],
)
def test_what_is_made_goes_by_what_is_wanted(more, is_there, is_not_there):
    made = set(Resolved(TEMPLATE, GIVEN | more).made())
    assert is_there <= made
    assert not made & is_not_there


def test_the_multi_model_metrics_have_alarms_that_tell_the_topic():
    topic = "arn:aws:sns:eu-central-1:111122223333:alarms"
    found = Resolved(TEMPLATE, GIVEN | {"AlarmTopicArn": topic})
    alarms = [found.properties(name) for name, kind in found.made().items() if kind == ALARM]
    assert {each["MetricName"]: each["Namespace"] for each in alarms} == {
        "Invocation5XXErrors": "AWS/SageMaker",
        "ModelLatency": "AWS/SageMaker",
        "ModelLoadingWaitTime": "AWS/SageMaker",
        "ModelDownloadingTime": "AWS/SageMaker",
        "ModelLoadingTime": "AWS/SageMaker",
        "ModelCacheHit": "AWS/SageMaker",
        "LoadedModelCount": "/aws/sagemaker/Endpoints",
        "MemoryUtilization": "/aws/sagemaker/Endpoints",
    }
    of_variant = {"EndpointName": "texts", "VariantName": "AllTraffic"}
    for alarm in alarms:
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
        assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == of_variant


def test_the_stack_deletes_what_it_made_and_has_no_bucket_in_it():
    found = Resolved(TEMPLATE, ASYNCHRONOUS)
    assert "AWS::S3::Bucket" not in found.made().values()
    policies = {
        name: each.get("DeletionPolicy", "Delete")
        for name, each in found._template["Resources"].items()
    }
    assert set(policies.values()) == {"Delete"}
    assert found.properties("LogGroup")["RetentionInDays"] == 30
