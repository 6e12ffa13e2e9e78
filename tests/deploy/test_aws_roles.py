"""What the endpoint's role may do, and what it may not: by IAM's evaluation, and before an S3.

Moto's server, told to check signatures and policies, is called with the role's credentials; what
it does not evaluate, other services and conditions, is asked of tests/support/iam.py.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from tests.support.cloudformation import ACCOUNT, FOLDER, REGION, Resolved
from tests.support.iam import allows
from tests.support.s3 import running_s3

ENDPOINT = FOLDER / "endpoint.yaml"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a"
GIVEN = {
    "Repository": "team/mme",
    "ImageVersion": ":1",
    "ModelBucket": "models",
    "ModelPrefix": "de/",
}
ASYNCHRONOUS = GIVEN | {
    "Inference": "Asynchronous",
    "Artifact": "DocSim.tar.gz",
    "InputBucket": "requests",
    "OutputBucket": "answers",
    "ErrorTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:errors",
}
ECR = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints"
SUCCESS_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:SuccessTopic"
Case: TypeAlias = tuple[str, str, dict[str, str]]
"""An action, on a resource, in a context."""
ALLOWED: list[Case] = [
    ("s3:GetObject", "arn:aws:s3:::models/de/DocSim.tar.gz", {}),
    ("s3:ListBucket", "arn:aws:s3:::models", {"s3:prefix": "de/"}),
    ("s3:ListBucket", "arn:aws:s3:::models", {"s3:prefix": "de/Doc"}),
    ("ecr:BatchGetImage", f"{ECR}/team/mme", {}),
    ("ecr:GetDownloadUrlForLayer", f"{ECR}/team/mme", {}),
    ("ecr:GetAuthorizationToken", "*", {}),
    ("logs:CreateLogStream", f"{GROUP}/texts:log-stream:AllTraffic/i-1", {}),
    ("logs:PutLogEvents", f"{GROUP}/texts:log-stream:AllTraffic/i-1", {}),
    ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "/aws/sagemaker/Endpoints"}),
]
REFUSED: list[Case] = [
    ("s3:GetObject", "arn:aws:s3:::models/en/DocSim.tar.gz", {}),
    ("s3:GetObject", "arn:aws:s3:::models/de", {}),
    ("s3:GetObject", "arn:aws:s3:::models-of-others/de/DocSim.tar.gz", {}),
    ("s3:GetObject", "arn:aws:s3:::answers/async/out/1.out", {}),
    ("s3:PutObject", "arn:aws:s3:::models/de/DocSim.tar.gz", {}),
    ("s3:DeleteObject", "arn:aws:s3:::models/de/DocSim.tar.gz", {}),
    ("s3:ListBucket", "arn:aws:s3:::models", {"s3:prefix": "en/"}),
    ("s3:ListBucket", "arn:aws:s3:::models", {}),
    ("s3:ListAllMyBuckets", "*", {}),
    ("ecr:BatchGetImage", f"{ECR}/mme", {}),
    ("ecr:PutImage", f"{ECR}/team/mme", {}),
    ("logs:PutLogEvents", f"{GROUP}/texts-of-others:log-stream:AllTraffic/i-1", {}),
    ("logs:DeleteLogGroup", f"{GROUP}/texts", {}),
    ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "Billing"}),
    ("sns:Publish", SUCCESS_TOPIC, {}),
    ("kms:Decrypt", KEY, {}),
    ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/Role", {}),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/Role", {}),
    ("sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/texts", {}),
]
ALLOWED_ASYNCHRONOUSLY: list[Case] = [
    ("s3:GetObject", "arn:aws:s3:::requests/async/in/1.csv", {}),
    ("s3:PutObject", "arn:aws:s3:::answers/async/out/1.out", {}),
    ("s3:PutObject", "arn:aws:s3:::answers/async/failed/1-error.out", {}),
    ("sns:Publish", SUCCESS_TOPIC, {}),
    ("sns:Publish", f"arn:aws:sns:{REGION}:{ACCOUNT}:errors", {}),
]
REFUSED_ASYNCHRONOUSLY: list[Case] = [
    ("s3:PutObject", "arn:aws:s3:::requests/async/in/1.csv", {}),
    ("s3:GetObject", "arn:aws:s3:::answers/async/out/1.out", {}),
    ("s3:GetObject", "arn:aws:s3:::requests/other/1.csv", {}),
    ("sns:Publish", f"arn:aws:sns:{REGION}:{ACCOUNT}:ErrorTopic", {}),
    ("sns:Publish", f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms", {}),
    ("sns:Subscribe", SUCCESS_TOPIC, {}),
]


def statements(**more):
    return Resolved(ENDPOINT, GIVEN | more).statements("Role")


@pytest.mark.parametrize(("action", "resource", "context"), ALLOWED)
def test_the_role_may_do_what_serving_takes(action, resource, context):
    assert allows(statements(), action, resource, context)


@pytest.mark.parametrize(("action", "resource", "context"), REFUSED)
def test_the_role_may_do_nothing_else(action, resource, context):
    assert not allows(statements(), action, resource, context)


@pytest.mark.parametrize(("action", "resource", "context"), ALLOWED_ASYNCHRONOUSLY)
def test_of_an_asynchronous_endpoint_it_may_read_inputs_write_answers_and_tell(
    action, resource, context
):
    assert allows(statements(**ASYNCHRONOUS), action, resource, context)


@pytest.mark.parametrize(("action", "resource", "context"), REFUSED_ASYNCHRONOUSLY)
def test_of_an_asynchronous_endpoint_it_may_do_that_nowhere_else(action, resource, context):
    assert not allows(statements(**ASYNCHRONOUS), action, resource, context)


def test_a_key_is_used_only_where_one_is_named_and_lent_only_to_services():
    given = statements(KmsKeyArn=KEY)
    assert allows(given, "kms:Decrypt", KEY)
    assert not allows(given, "kms:Decrypt", KEY + "1")
    assert allows(given, "kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": "true"})
    assert not allows(given, "kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": "false"})
    assert not allows(given, "kms:CreateGrant", KEY)


def test_only_sagemaker_of_this_account_assumes_the_role():
    role = Resolved(ENDPOINT, GIVEN).properties("Role")
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_an_operator_that_is_not_known_is_not_passed_over():
    statement = {"Effect": "Allow", "Action": "a:b", "Resource": "*"}
    condition = {"NumericLessThan": {"a:n": "3"}}
    with pytest.raises(AssertionError, match="NumericLessThan"):
        allows([statement | {"Condition": condition}], "a:b", "r", {"a:n": "2"})


def test_a_denial_wins_and_a_wildcard_in_a_key_is_no_separator():
    allow = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/p/*"}
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/p/x/*"}
    assert allows([allow, deny], "s3:GetObject", "arn:aws:s3:::b/p/y/z")
    assert not allows([allow, deny], "s3:GetObject", "arn:aws:s3:::b/p/x/y")


@pytest.fixture(scope="module")
def as_role():
    """S3 as the role of an asynchronous endpoint sees it: a server that checks who may."""
    with running_s3() as server:
        admin = server.client()
        for bucket in ("models", "models-of-others", "requests", "answers"):
            admin.create_bucket(Bucket=bucket)
        for key in ("de/DocSim.tar.gz", "en/DocSim.tar.gz"):
            admin.put_object(Bucket="models", Key=key, Body=b"x")
            admin.put_object(Bucket="models-of-others", Key=key, Body=b"x")
        admin.put_object(Bucket="requests", Key="async/in/1.csv", Body=b"x")
        given: Any = {"endpoint_url": server.url, "region_name": REGION}
        keys: Any = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        iam = boto3.client("iam", **given, **keys)
        # Who may assume it is tested above: moto knows no services as principals.
        trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}]}
        role = iam.create_role(RoleName="Role", AssumeRolePolicyDocument=json.dumps(trust))
        for number, statement in enumerate(statements(**ASYNCHRONOUS)):
            document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_role_policy(RoleName="Role", PolicyName=f"P{number}", PolicyDocument=document)
        sts = boto3.client("sts", **given, **keys)
        session = sts.assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="endpoint")
        assumed = session["Credentials"]
        requests.post(f"{server.url}/moto-api/reset-auth", data=b"0", timeout=10)
        yield boto3.client(
            "s3",
            **given,
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
        )
        requests.post(f"{server.url}/moto-api/reset-auth", data=b"inf", timeout=10)


def test_s3_gives_the_role_its_models_and_inputs_and_takes_its_answers(as_role):
    assert as_role.get_object(Bucket="models", Key="de/DocSim.tar.gz")["Body"].read() == b"x"
    assert as_role.get_object(Bucket="requests", Key="async/in/1.csv")["Body"].read() == b"x"
    as_role.put_object(Bucket="answers", Key="async/out/1.out", Body=b"y")
    as_role.put_object(Bucket="answers", Key="async/failed/1-error.out", Body=b"y")


@pytest.mark.parametrize(
    ("call", "bucket", "key"),
    [
        ("get_object", "models", "en/DocSim.tar.gz"),
        ("get_object", "models-of-others", "de/DocSim.tar.gz"),
        ("put_object", "models", "de/DocSim.tar.gz"),
        ("delete_object", "models", "de/DocSim.tar.gz"),
        ("put_object", "requests", "async/in/1.csv"),
        ("get_object", "answers", "async/out/1.out"),
        ("put_object", "answers", "other/1.out"),
    ],
)
def test_s3_denies_the_role_other_prefixes_other_buckets_and_writing(as_role, call, bucket, key):
    with pytest.raises(ClientError) as caught:
        getattr(as_role, call)(Bucket=bucket, Key=key)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
