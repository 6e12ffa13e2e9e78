"""InvokeEndpointAsync of a real endpoint: boto3 unmodified, S3, SNS and SQS by moto."""

from __future__ import annotations

import base64
import json
import signal
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.s3 import running_s3
from tests.support.waiting import eventually

TARGET = "DocSim.tar.gz"
ROWS = b"Die neue Steuer auf Strom,Eine Steuer auf Strom aus Sonne\n"
CALLS, KILLS = 240, 3


@pytest.fixture(scope="module")
def s3():
    with running_s3() as server:
        server.client().create_bucket(Bucket="work")
        yield server


@pytest.fixture(scope="module")
def settings(s3):
    return {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ENDPOINT_URL_SNS": s3.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
    }


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory, settings):
    store = str(PROJECT / "artifacts")
    given = settings | {"MME_ASYNC_OUTPUT": "s3://work/out/"}
    with running_endpoint(store, tmp_path_factory.mktemp("async"), given) as running:
        yield running


@pytest.fixture(scope="module")
def expected(endpoint):
    """What InvokeEndpoint answers."""
    answer = endpoint.client().invoke_endpoint(
        EndpointName="any", TargetModel=TARGET, ContentType="text/csv", Body=ROWS
    )
    return answer["Body"].read()


def aws(service, url):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
    )


def invoke(client, body=ROWS, endpoint="any", target=TARGET, **members):
    given = {"ContentType": "text/csv", "CustomAttributes": f"target-model={target}"} | members
    if body is not None:
        given["Body"] = body
    return client.invoke_endpoint_async(EndpointName=endpoint, **given)


def content(s3, uri):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    answer = s3.client().get_object(Bucket=bucket, Key=key)
    return answer["Body"].read(), answer["ContentType"]


def status(endpoint, inference_id, name="any"):
    url = f"{endpoint.url}/endpoints/{name}/async-invocations?inference_id={inference_id}"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own
        assert answer.headers["X-Mme-Extension"] == "status"
        return json.load(answer)


def ended(endpoint, answer, name="any"):
    """The status of a request when it has ended."""
    open_states = ("Queued", "InProgress")
    return eventually(
        lambda: status(endpoint, answer["InferenceId"], name),
        lambda found: found["Status"] not in open_states,
    )


def test_an_inline_body_is_answered_at_the_output_location(endpoint, s3, expected):
    answer = invoke(endpoint.client())
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["OutputLocation"] == f"s3://work/out/{answer['InferenceId']}.out"
    found = ended(endpoint, answer)
    assert (found["Status"], found["Attempts"]) == ("Completed", 1)
    assert content(s3, answer["OutputLocation"]) == (expected, "application/json")


def test_an_input_in_s3_is_read_and_names_are_the_callers(endpoint, s3, expected):
    s3.client().put_object(Bucket="work", Key="in/rows.csv", Body=ROWS)
    answer = invoke(
        endpoint.client(), None, InputLocation="s3://work/in/rows.csv",
        InferenceId="claims 1", Filename="scores.json", S3OutputPathExtension="monday/",
    )  # fmt: skip
    assert answer["InferenceId"] == "claims 1"
    assert answer["OutputLocation"] == "s3://work/out/monday/scores.json"
    found = ended(endpoint, {"InferenceId": "claims%201"})
    assert (found["Status"], found["InputLocation"]) == ("Completed", "s3://work/in/rows.csv")
    assert content(s3, answer["OutputLocation"])[0] == expected


def test_two_requests_with_one_inference_id_have_objects_of_their_own(endpoint):
    first, second = (invoke(endpoint.client(), InferenceId="same") for _ in range(2))
    assert first["OutputLocation"] != second["OutputLocation"]


def test_a_client_that_did_not_hear_of_its_acceptance_asks_again_and_is_queued_once(endpoint):
    url = f"{endpoint.url}/endpoints/again/async-invocations"
    headers = {
        "X-Amzn-SageMaker-Content-Type": "text/csv",
        "X-Amzn-SageMaker-Target-Model": TARGET,
        "amz-sdk-invocation-id": "8a7c0b4e-0000-4000-8000-000000000000",
    }
    answers = []
    for _ in range(2):
        asked = urllib.request.Request(url, ROWS, headers)  # noqa: S310 - our own
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            answers.append((json.load(answer), answer.headers["X-Amzn-SageMaker-OutputLocation"]))
    assert answers[0] == answers[1]
    assert ended(endpoint, answers[0][0], "again")["Attempts"] == 1


def test_the_models_own_error_is_the_failure_object(endpoint, s3):
    answer = invoke(endpoint.client(), b"one text alone")
    found = ended(endpoint, answer)
    assert found["Status"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Received client error (400) from model.")
    assert b"target_model" in content(s3, answer["FailureLocation"])[0]
    with pytest.raises(ClientError, match="NoSuchKey"):
        content(s3, answer["OutputLocation"])


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"body": None}, "neither is there"),
        ({"InputLocation": "s3://work/in/rows.csv"}, "both are there"),
        ({"body": None, "InputLocation": "https://example.org/secret"}, "is not in S3"),
        ({"body": None, "InputLocation": "https://169.254.169.254/latest"}, "is not in S3"),
        ({"body": b"x" * 128_001}, "128000"),
        ({"target": "../secret"}, "not a plain path"),
        ({"CustomAttributes": "x=1"}, "name a target model"),
        ({"Filename": "a.b.c"}, "filename"),
        ({"S3OutputPathExtension": "s3://else/"}, "s3OutputPathExtension"),
    ],
    ids=str,
)
def test_what_cannot_be_queued_is_refused_at_once(endpoint, members, words):
    with pytest.raises(ClientError) as refused:
        invoke(endpoint.client(parameter_validation=False), **members)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert words in refused.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("RequestTTLSeconds", 59), ("RequestTTLSeconds", 21601), ("InvocationTimeoutSeconds", 3601)],
)
def test_times_beyond_the_services_are_refused(endpoint, name, value):
    with pytest.raises(ClientError, match="failed to satisfy constraint: Member must have value"):
        invoke(endpoint.client(parameter_validation=False), **{name: value})


def test_an_input_that_is_missing_fails_and_says_so(endpoint, s3):
    answer = invoke(endpoint.client(), None, InputLocation="s3://work/in/none.csv")
    found = ended(endpoint, answer)
    assert found["FailureReason"] == "ClientError: s3://work/in/none.csv: there is no such object"
    assert b"no such object" in content(s3, answer["FailureLocation"])[0]


def test_nothing_acknowledged_is_lost_when_the_endpoint_is_killed(tmp_path, settings, s3):
    given = settings | {"MME_ASYNC_OUTPUT": "s3://work/killed/"}
    store, accepted = str(PROJECT / "artifacts"), set()
    for _ in range(KILLS):
        with running_endpoint(store, tmp_path, given) as running:
            client = aws("sagemaker-runtime", running.url)
            with ThreadPoolExecutor(8) as threads:
                answers = [*threads.map(lambda _: invoke(client), range(CALLS // KILLS))]  # noqa: B023
            accepted |= {answer["OutputLocation"] for answer in answers}
            running.process.send_signal(signal.SIGKILL)
    with running_endpoint(store, tmp_path, given):
        found = eventually(
            lambda: {
                f"s3://work/{each['Key']}"
                for page in s3.client()
                .get_paginator("list_objects_v2")
                .paginate(Bucket="work", Prefix="killed/")
                for each in page.get("Contents", [])
            },
            lambda keys: len(keys) >= CALLS,
        )
    assert found == accepted


def test_the_posts_own_calls_with_topics_and_a_scaling_policy(endpoint, s3, expected):
    s3.client().upload_file(str(PROJECT / "artifacts" / TARGET), "work", f"models/{TARGET}")
    sns, sqs = aws("sns", s3.url), aws("sqs", s3.url)
    topics, queues = {}, {}
    for name in ("success", "error"):
        topics[name] = sns.create_topic(Name=name)["TopicArn"]
        queues[name] = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topics[name], Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
    control = aws("sagemaker", endpoint.url)
    _create(control, topics)
    scaling = aws("application-autoscaling", endpoint.url)
    named = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/checks/variant/variant1",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**named, MinCapacity=0, MaxCapacity=5)
    scaling.put_scaling_policy(
        PolicyName="backlog", **named, PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "CustomizedMetricSpecification": {
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Namespace": "AWS/SageMaker",
                "Dimensions": [{"Name": "EndpointName", "Value": "checks"}],
                "Statistic": "Average",
            },
            "ScaleInCooldown": 600, "ScaleOutCooldown": 300,
        },
    )  # fmt: skip
    client = endpoint.client()
    with pytest.raises(client.exceptions.ValidationError, match="InvokeEndpointAsync"):
        client.invoke_endpoint(EndpointName="checks", TargetModel=TARGET, Body=ROWS)
    s3.client().put_object(Bucket="work", Key="in/rows.csv", Body=ROWS)
    good = invoke(client, None, "checks", InputLocation="s3://work/in/rows.csv")
    bad = invoke(client, b"one text alone", "checks")
    assert ended(endpoint, good, "checks")["Status"] == "Completed"
    assert ended(endpoint, bad, "checks")["Status"] == "Failed"
    assert good["OutputLocation"].startswith("s3://work/results/")
    assert bad["FailureLocation"].startswith("s3://work/failures/")

    test, told = (message_of(each) for each in received(sqs, queues["success"], 2))
    assert test["eventName"] == "TestNotification"
    assert told["invocationStatus"] == "Completed"
    assert told["inferenceId"] == good["InferenceId"]
    assert told["requestParameters"] == {
        "contentType": "text/csv",
        "endpointName": "checks",
        "inputLocation": "s3://work/in/rows.csv",
    }
    assert told["responseParameters"] == {
        "contentType": "application/json",
        "outputLocation": good["OutputLocation"],
    }
    assert base64.b64decode(told["responseBody"]["content"]) == expected
    _, failed = (message_of(each) for each in received(sqs, queues["error"], 2))
    assert failed["invocationStatus"] == "Failed"
    assert failed["failureReason"].startswith("ClientError: Received client error (400)")
    assert "responseParameters" not in failed

    url = f"{endpoint.url}/endpoints/checks/async-metrics"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own
        data = {each["MetricName"]: each for each in json.load(answer)["MetricData"]}
    assert data["ApproximateBacklogSize"]["Value"] == 0
    assert data["InvocationsProcesssed"]["Value"] == 1
    assert data["InvocationFailures"]["Value"] == 1
    control.delete_endpoint(EndpointName="checks")
    control.get_waiter("endpoint_deleted").wait(EndpointName="checks")


def _create(control, topics):
    control.create_model(
        ModelName="checks",
        ExecutionRoleArn="arn:aws:iam::111122223333:role/Role",
        PrimaryContainer={
            "Image": "mme", "Mode": "MultiModel", "ModelDataUrl": "s3://work/models/",
        },
    )  # fmt: skip
    control.create_endpoint_config(
        EndpointConfigName="checks",
        ProductionVariants=[
            {
                "VariantName": "variant1", "ModelName": "checks",
                "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 1,
            }
        ],
        AsyncInferenceConfig={
            "OutputConfig": {
                "S3OutputPath": "s3://work/results/",
                "S3FailurePath": "s3://work/failures/",
                "NotificationConfig": {
                    "SuccessTopic": topics["success"],
                    "ErrorTopic": topics["error"],
                    "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
                },
            },
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
        },
    )  # fmt: skip
    control.create_endpoint(EndpointName="checks", EndpointConfigName="checks")
    control.get_waiter("endpoint_in_service").wait(EndpointName="checks")


def message_of(received_message):
    return json.loads(json.loads(received_message["Body"])["Message"])


def received(sqs, queue_url, count):
    """That many messages, in the order of their arrival."""
    messages = []

    def more():
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        messages.extend(answer.get("Messages", []))
        return messages

    return eventually(more, lambda found: len(found) >= count)


def test_without_a_target_it_is_said_where_one_may_be_named(endpoint):
    client = aws("sagemaker-runtime", endpoint.url)
    with pytest.raises(ClientError, match=r"target-model=NAME in the custom attributes") as caught:
        client.invoke_endpoint_async(EndpointName="any", ContentType="text/csv", Body=ROWS)
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert "TargetModel in boto3" not in caught.value.response["Error"]["Message"]
