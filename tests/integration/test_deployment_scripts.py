"""Deployment scripts as Amazon's posts have them, against a real endpoint; and what errors raise.

No client names an address: the environment does. S3, SNS and SQS are moto's.
"""

from __future__ import annotations

import io
import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.refused_calls import BUCKET, CASES, IMAGE, ONE_COLUMN, PAIRS, ROLE, transform
from tests.support.s3 import running_s3
from tests.support.waiting import eventually

SERVED = ("SAGEMAKER", "SAGEMAKER_RUNTIME", "APPLICATION_AUTO_SCALING", "CLOUDWATCH_LOGS")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """An endpoint that answers the names that were created, and `from-the-store`."""
    scratch = tmp_path_factory.mktemp("scripts")
    with running_s3() as s3, pytest.MonkeyPatch.context() as environment:
        given = {
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL_S3": s3.url,
            "AWS_ENDPOINT_URL_SNS": s3.url,
        }
        own = {"MME_ENDPOINT_NAMES": "from-the-store"}
        with running_endpoint(str(PROJECT / "artifacts"), scratch, given | own) as running:
            for service in SERVED:
                environment.setenv(f"AWS_ENDPOINT_URL_{service}", running.url)
            environment.setenv("AWS_ENDPOINT_URL_SQS", s3.url)
            environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
            environment.setenv("AWS_MAX_ATTEMPTS", "1")
            for name, value in given.items():
                environment.setenv(name, value)
            environment.setattr(boto3, "DEFAULT_SESSION", None)
            bucket(BUCKET)
            yield running


def bucket(name):
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )


@pytest.fixture(scope="module")
def artifacts(endpoint):
    """Artifacts below models/, and one that is broken; returns their prefix."""
    s3 = boto3.client("s3")
    for name in ("DocSim", "TopicalPageRank"):
        s3.upload_file(
            str(PROJECT / "artifacts" / f"{name}.tar.gz"), BUCKET, f"models/{name}.tar.gz"
        )
    s3.upload_fileobj(io.BytesIO(b"no archive"), BUCKET, "models/broken.tar.gz")
    return f"s3://{BUCKET}/models/"


def created(name, container, variant=None, **members):
    """The three calls that every post makes, as they stand there."""
    sm_client = boto3.client("sagemaker")
    sm_client.create_model(ModelName=name, ExecutionRoleArn=ROLE, Containers=[container])
    sm_client.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "InstanceType": "ml.m5.xlarge",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 1,
                "ModelName": name,
                "VariantName": variant or "AllTraffic",
            }
        ],
        **members,
    )
    sm_client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sm_client.get_waiter("endpoint_in_service").wait(EndpointName=name)


def removed(name):
    sm_client = boto3.client("sagemaker")
    sm_client.delete_endpoint(EndpointName=name)
    sm_client.get_waiter("endpoint_deleted").wait(EndpointName=name)
    sm_client.delete_endpoint_config(EndpointConfigName=name)
    sm_client.delete_model(ModelName=name)
    for listed, members in (
        (sm_client.list_endpoints(NameContains=name), "Endpoints"),
        (sm_client.list_endpoint_configs(NameContains=name), "EndpointConfigs"),
        (sm_client.list_models(NameContains=name), "Models"),
    ):
        assert listed[members] == []


def multi_model(prefix):
    return {"Image": IMAGE, "ModelDataUrl": prefix, "Mode": "MultiModel"}


def test_a_multi_model_endpoint_from_creation_to_deletion(artifacts):
    name = "DEMO-MultiModelEndpoint-2026-11-28"
    created(name, multi_model(artifacts))
    runtime = boto3.client("sagemaker-runtime")
    assert boto3.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"] == (
        "InService"
    )
    answered = runtime.invoke_endpoint(
        EndpointName=name,
        ContentType="text/csv",
        TargetModel="DocSim.tar.gz",
        Body=PAIRS,
    )
    assert len(json.loads(answered["Body"].read())) == 2
    assert answered["InvokedProductionVariant"] == "AllTraffic"
    phrases = runtime.invoke_endpoint(
        EndpointName=name,
        ContentType="text/plain",
        TargetModel="TopicalPageRank.tar.gz",
        Body="Die neue Steuer auf Strom.",
    )
    assert json.loads(phrases["Body"].read())[0][0] == "neue steuer"
    # A model that is added while the endpoint runs needs no call.
    boto3.client("s3").copy(
        {"Bucket": BUCKET, "Key": "models/DocSim.tar.gz"}, BUCKET, "models/new/DocSim-2.tar.gz"
    )
    added = runtime.invoke_endpoint(
        EndpointName=name, ContentType="text/csv", TargetModel="new/DocSim-2.tar.gz", Body=PAIRS
    )
    assert len(json.loads(added["Body"].read())) == 2
    removed(name)
    with pytest.raises(runtime.exceptions.ValidationError, match=name):
        runtime.invoke_endpoint(EndpointName=name, TargetModel="DocSim.tar.gz", Body=PAIRS)


def subscribed_topic(name):
    """A topic, and the queue that gets its messages."""
    topic = boto3.client("sns").create_topic(Name=name)["TopicArn"]
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    boto3.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
    )
    return topic, queue


def told(queue):
    """The next message about an inference, through SNS and SQS."""
    sqs = boto3.client("sqs")
    while True:
        for each in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10).get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
            message = json.loads(json.loads(each["Body"])["Message"])
            if "invocationStatus" in message:
                return message


def get_output(location):
    """As the posts poll: NoSuchKey means not yet."""
    place, _, key = location.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")

    def look():
        try:
            return s3.get_object(Bucket=place, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    return eventually(look, lambda found: found is not None)


def asynchronous(**output):
    return {
        "OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/async/output", **output},
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
    }


def test_an_asynchronous_endpoint_with_topics_and_a_scaling_policy(artifacts):
    name = "async-2026-11-28"
    (success, succeeded), (error, failed) = map(subscribed_topic, ("success", "error"))
    topics = {"SuccessTopic": success, "ErrorTopic": error}
    created(
        name,
        {"Image": IMAGE, "ModelDataUrl": f"{artifacts}DocSim.tar.gz"},
        "variant1",
        AsyncInferenceConfig=asynchronous(NotificationConfig=topics),
    )
    client = boto3.client("application-autoscaling")
    place = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/variant1",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    client.register_scalable_target(**place, MinCapacity=0, MaxCapacity=5)
    client.put_scaling_policy(
        PolicyName="Invocations-ScalingPolicy",
        **place,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "CustomizedMetricSpecification": {
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Namespace": "AWS/SageMaker",
                "Dimensions": [{"Name": "EndpointName", "Value": name}],
                "Statistic": "Average",
            },
            "ScaleInCooldown": 600,
            "ScaleOutCooldown": 300,
        },
    )
    boto3.client("s3").put_object(Bucket=BUCKET, Key="async/input/pairs.csv", Body=PAIRS)
    runtime = boto3.client("sagemaker-runtime")
    response = runtime.invoke_endpoint_async(
        EndpointName=name,
        InputLocation=f"s3://{BUCKET}/async/input/pairs.csv",
        ContentType="text/csv",
    )
    assert len(json.loads(get_output(response["OutputLocation"]))) == 2
    message = told(succeeded)
    assert message["invocationStatus"] == "Completed"
    assert message["responseParameters"]["outputLocation"] == response["OutputLocation"]
    refused = runtime.invoke_endpoint_async(
        EndpointName=name, Body=ONE_COLUMN, ContentType="text/csv"
    )
    assert b"1 columns instead of 2" in get_output(refused["FailureLocation"])
    message = told(failed)
    assert (message["invocationStatus"], message["inferenceId"]) == (
        "Failed",
        refused["InferenceId"],
    )
    client.delete_scaling_policy(PolicyName="Invocations-ScalingPolicy", **place)
    client.deregister_scalable_target(**place)
    removed(name)


@pytest.fixture(scope="module")
def there(artifacts):
    """What the calls below are made on."""
    one = {"Image": IMAGE, "ModelDataUrl": f"{artifacts}DocSim.tar.gz"}
    created("multi", multi_model(artifacts))
    created("single", one)
    created("async", one, AsyncInferenceConfig=asynchronous())
    s3 = boto3.client("s3")
    bucket("soon-gone")
    created("gone", multi_model("s3://soon-gone/"))
    s3.delete_bucket(Bucket="soon-gone")
    with pytest.raises(WaiterError):
        created("failed", multi_model("s3://never-there/"))
    s3.put_object(Bucket=BUCKET, Key="in/pairs.csv", Body=PAIRS)
    sm_client = boto3.client("sagemaker")
    sm_client.create_transform_job(**transform())
    sm_client.get_waiter("transform_job_completed_or_stopped").wait(
        TransformJobName="job", WaiterConfig={"Delay": 1}
    )


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_error_is_of_the_class_and_has_the_code_of_the_service(case):
    client = boto3.client(case.service, config=Config(parameter_validation=False))
    with pytest.raises(ClientError, match=r".") as caught:
        getattr(client, case.call)(**case.members)
    error = caught.value.response["Error"]
    assert error["Code"] == case.code, error
    assert case.words in error["Message"]
    assert type(caught.value).__name__ == case.raised
