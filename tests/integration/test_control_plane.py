"""A deployment script against a real endpoint: boto3 unmodified, artifacts in moto's S3."""

from __future__ import annotations

import json

import boto3
import pytest
import requests
from botocore.config import Config

from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.s3 import running_s3

TARGET = "model.tar.gz"
TEXT = "Die neue Steuer auf Strom."
ROLE = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole"
IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/mme:1"


@pytest.fixture(scope="module")
def s3():
    """The same target below two prefixes: a model of similarities, one of keyphrases."""
    with running_s3() as server:
        client = server.client()
        client.create_bucket(Bucket="models")
        for folder, name in (("similar", "DocSim"), ("phrases", "TopicalPageRank")):
            artifact = str(PROJECT / "artifacts" / f"{name}.tar.gz")
            client.upload_file(artifact, "models", f"{folder}/{TARGET}")
            client.upload_file(artifact, "models", f"{folder}/model-7.tar.gz")
            aliases = json.dumps({"model": "7"}).encode()
            client.put_object(Bucket="models", Key=f"{folder}/models-id.json", Body=aliases)
        yield server


@pytest.fixture
def settings(s3):
    return {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def control(endpoint, service="sagemaker"):
    return boto3.client(
        service,
        endpoint_url=endpoint.url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def deploy(client, name, url, mode="MultiModel", **members):
    """As the posts on multi-model endpoints do it."""
    client.create_model(
        ModelName=f"{name}-model",
        ExecutionRoleArn=ROLE,
        Containers=[{"Image": IMAGE, "Mode": mode, "ModelDataUrl": url}],
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": f"{name}-model",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
        "InitialVariantWeight": 1,
    }
    client.create_endpoint_config(
        EndpointConfigName=f"{name}-config", ProductionVariants=[variant], **members
    )
    client.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")
    client.get_waiter("endpoint_in_service").wait(EndpointName=name)


def invoke(endpoint, name, body, **members):
    given = {"ContentType": "text/plain"} | members
    answer = endpoint.client().invoke_endpoint(EndpointName=name, Body=body, **given)
    return json.loads(answer["Body"].read()), answer["InvokedProductionVariant"]


def similarity(endpoint, name, **members):
    return invoke(endpoint, name, "Impfstoff,Impfung", ContentType="text/csv", **members)


def test_a_deployment_from_creation_to_deletion(settings, tmp_path):
    store = str(PROJECT / "artifacts")
    with running_endpoint(store, tmp_path, settings) as endpoint:
        client = control(endpoint)
        deploy(client, "similar", "s3://models/similar/")
        deploy(client, "phrases", "s3://models/phrases/")
        scores, variant = similarity(endpoint, "similar", TargetModel=TARGET)
        assert len(scores) == 1
        assert variant == "AllTraffic"
        phrases, _ = invoke(endpoint, "phrases", TEXT, TargetModel=TARGET)
        assert phrases[0][0] == "neue steuer"
        assert invoke(endpoint, "phrases", TEXT, TargetModel="model")[0] == phrases
        assert similarity(endpoint, "anybody", TargetModel="DocSim.tar.gz")[0] == scores
        models = requests.get(f"{endpoint.url}/models", timeout=10).json()["models"]
        key = f"s3://models/phrases/{TARGET}"
        assert key in [model["target_model"] for model in models]
        assert requests.delete(f"{endpoint.url}/models/{key}", timeout=60).status_code == 200
        one = requests.get(f"{endpoint.url}/models/{key}", timeout=10).json()
        assert (one["target_model"], one["state"]) == (key, "on-disk")
    with running_endpoint(store, tmp_path, settings) as endpoint:  # the state survives
        endpoint.wait_for_log("2 endpoints were created before: phrases, similar")
        client = control(endpoint)
        listed = client.list_endpoints(SortBy="Name", SortOrder="Ascending")["Endpoints"]
        assert [each["EndpointName"] for each in listed] == ["phrases", "similar"]
        assert similarity(endpoint, "similar", TargetModel=TARGET)[0] == scores
        client.update_endpoint(EndpointName="similar", EndpointConfigName="phrases-config")
        client.get_waiter("endpoint_in_service").wait(EndpointName="similar")
        assert invoke(endpoint, "similar", TEXT, TargetModel=TARGET)[0] == phrases
        for name in ("similar", "phrases"):
            client.delete_endpoint(EndpointName=name)
            client.get_waiter("endpoint_deleted").wait(EndpointName=name)
            client.delete_endpoint_config(EndpointConfigName=f"{name}-config")
            client.delete_model(ModelName=f"{name}-model")
        assert client.list_endpoints()["Endpoints"] == client.list_models()["Models"] == []
        runtime = endpoint.client()
        with pytest.raises(runtime.exceptions.ValidationError, match="<store>"):
            similarity(endpoint, "similar", TargetModel=TARGET)


@pytest.fixture(scope="module")
def endpoint(s3, tmp_path_factory):
    settings = {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    scratch = tmp_path_factory.mktemp("control")
    with running_endpoint(str(PROJECT / "artifacts"), scratch, settings) as running:
        yield running


def test_variants_share_the_requests_by_weight_and_one_may_be_named(endpoint):
    client = control(endpoint)
    for folder in ("similar", "phrases"):
        client.create_model(
            ModelName=folder,
            PrimaryContainer={
                "Image": IMAGE,
                "Mode": "MultiModel",
                "ModelDataUrl": f"s3://models/{folder}/",
            },
        )
    variants = [
        {
            "VariantName": name,
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.xlarge",
            "InitialVariantWeight": weight,
        }
        for name, weight in (("similar", 1), ("phrases", 0))
    ]
    client.create_endpoint_config(EndpointConfigName="two", ProductionVariants=variants)
    client.create_endpoint(EndpointName="two", EndpointConfigName="two")
    assert similarity(endpoint, "two", TargetModel=TARGET)[1] == "similar"
    named = {"TargetModel": TARGET, "TargetVariant": "phrases"}
    assert invoke(endpoint, "two", TEXT, **named)[1] == "phrases"
    client.update_endpoint_weights_and_capacities(
        EndpointName="two",
        DesiredWeightsAndCapacities=[
            {"VariantName": "similar", "DesiredWeight": 0},
            {"VariantName": "phrases", "DesiredWeight": 1},
        ],
    )
    assert invoke(endpoint, "two", TEXT, TargetModel=TARGET)[1] == "phrases"
    runtime = endpoint.client()
    with pytest.raises(runtime.exceptions.ValidationError, match="it has similar, phrases"):
        similarity(endpoint, "two", TargetModel=TARGET, TargetVariant="blue")


def test_an_endpoint_of_one_model_needs_no_target(endpoint):
    deploy(control(endpoint), "one", f"s3://models/phrases/{TARGET}", "SingleModel")
    assert invoke(endpoint, "one", TEXT)[0][0][0] == "neue steuer"
    streamed = endpoint.client().invoke_endpoint_with_response_stream(
        EndpointName="one", Body=TEXT, ContentType="text/plain"
    )
    parts = b"".join(event["PayloadPart"]["Bytes"] for event in streamed["Body"])
    assert json.loads(parts)[0][0] == "neue steuer"
    runtime = endpoint.client()
    with pytest.raises(runtime.exceptions.ValidationError, match="not a multi-model endpoint"):
        invoke(endpoint, "one", TEXT, TargetModel=TARGET)


@pytest.mark.parametrize("url", ["s3://never-made/x/", f"s3://models/none/{TARGET}"])
def test_an_endpoint_whose_models_are_not_there_is_failed_and_says_why(endpoint, url):
    client = control(endpoint)
    name = "failed-multi" if url.endswith("/") else "failed-single"
    with pytest.raises(Exception, match="Waiter EndpointInService failed"):
        deploy(client, name, url, "MultiModel" if url.endswith("/") else "SingleModel")
    assert url in client.describe_endpoint(EndpointName=name)["FailureReason"]
    runtime = endpoint.client()
    with pytest.raises(runtime.exceptions.ValidationError, match="Failed"):
        invoke(endpoint, name, TEXT, TargetModel=TARGET)


def test_an_asynchronous_endpoint_with_scaling_to_zero(endpoint):
    client = control(endpoint)
    output = {"OutputConfig": {"S3OutputPath": "s3://models/out/"}}
    deploy(client, "async", "s3://models/phrases/", AsyncInferenceConfig=output)
    told = client.describe_endpoint(EndpointName="async")
    assert told["AsyncInferenceConfig"] == output
    runtime = endpoint.client()
    with pytest.raises(runtime.exceptions.ValidationError, match="InvokeEndpointAsync"):
        invoke(endpoint, "async", TEXT, TargetModel=TARGET)
    scaling = control(endpoint, "application-autoscaling")
    place = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/async/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**place, MinCapacity=0, MaxCapacity=5)
    scaling.put_scaling_policy(
        **place,
        PolicyName="Invocations-ScalingPolicy",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "CustomizedMetricSpecification": {
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Namespace": "AWS/SageMaker",
                "Dimensions": [{"Name": "EndpointName", "Value": "async"}],
                "Statistic": "Average",
            },
            "ScaleInCooldown": 600,
            "ScaleOutCooldown": 300,
        },
    )
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["ScaleInCooldown"] == 600
    scaling.deregister_scalable_target(**place)
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.deregister_scalable_target(**place)


def test_what_is_not_served_is_refused_by_name(endpoint):
    client = control(endpoint)
    for ask, words in (
        (client.list_training_jobs, "ListTrainingJobs"),
        (client.list_inference_components, "inference components"),
    ):
        with pytest.raises(client.exceptions.ClientError, match=words) as caught:
            ask()
        assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
