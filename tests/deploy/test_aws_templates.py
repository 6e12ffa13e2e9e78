"""Every template of deploy/aws: lint, our rules for them, and each rule by what it refuses."""

from __future__ import annotations

import json
import re

import pytest
from cfn_guard_rs.api import run_checks
from cfnlint.api import lint_file

from mme.deploy.templates import ENDPOINT, MOST_BYTES, REPOSITORY, template
from tests.support.cloudformation import FOLDER, read, templates

RULES = sorted((FOLDER / "rules").glob("*.guard"))
NAMES = [str(path.relative_to(FOLDER)) for path in templates()]
RULE = re.compile(r"^rule (\w+)", re.MULTILINE)


def refused_by(content, rules):
    """The names of the rules that a template breaks."""
    report = run_checks(content, rules)
    return {each.Rule.name for each in report.not_compliant if each.Rule}


@pytest.mark.parametrize("path", templates(), ids=NAMES)
def test_a_template_is_clean_by_lint(path):
    assert [f"{found.rule.id} {found.message}" for found in lint_file(path)] == []


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.stem)
@pytest.mark.parametrize("path", templates(), ids=NAMES)
def test_a_template_keeps_the_rules(path, rules):
    assert refused_by(read(path), rules.read_text()) == set()


@pytest.mark.parametrize("path", templates(), ids=NAMES)
def test_no_key_of_an_account_is_written_down(path):
    text = path.read_text()
    assert re.findall(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", text) == []
    assert re.findall(r"arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:\d{12}:", text) == []


@pytest.mark.parametrize("name", [ENDPOINT, REPOSITORY])
def test_the_package_has_the_template_and_cloudformation_takes_it_in_a_call(name):
    assert template(name) == (FOLDER / name).read_text()
    assert len(template(name).encode()) <= MOST_BYTES


def one(kind, properties, **more):
    return {"Resources": {"It": {"Type": kind, "Properties": properties, **more}}}


def role(**statement):
    return one(
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": trust("sagemaker.amazonaws.com")["It"],
            "Policies": [
                {"PolicyName": "P", "PolicyDocument": {"Statement": [grant(**statement)]}}
            ],
        },
    )


def trust(principal):
    named = principal if principal == "*" else {"Service": principal}
    return {
        "It": {"Statement": [{"Effect": "Allow", "Principal": named, "Action": "sts:AssumeRole"}]}
    }


def policy(**statement):
    return one("AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Statement": [grant(**statement)]}})


def grant(**statement):
    return {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::b/p/*",
    } | statement


BUCKET = "arn:aws:s3:::b"
PRIVATE = dict.fromkeys(
    ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
)
ENCRYPTED = {"ServerSideEncryptionConfiguration": [{"BucketKeyEnabled": True}]}
KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
GOOD_BUCKET = {"BucketEncryption": ENCRYPTED, "PublicAccessBlockConfiguration": PRIVATE}
REPOSITORY_OF_ONES_OWN = {
    "ImageTagMutability": "IMMUTABLE",
    "ImageScanningConfiguration": {"ScanOnPush": True},
    "EncryptionConfiguration": {"EncryptionType": "AES256"},
}
OPEN = {
    "PolicyDocument": {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:Get"}]}
}
CLEAR = {"DB_PASSWORD": "hunter2"}
RESOLVED = {"DB_PASSWORD": "{{resolve:secretsmanager:db:SecretString:password}}"}
BAD = [
    ("roles_name_actions", role(Action="s3:*")),
    ("roles_name_actions", role(Action=["s3:GetObject", "s3:Put*"])),
    ("roles_name_actions", role(Action="*")),
    ("roles_name_actions", role(NotAction="s3:PutObject")),
    ("policies_name_actions", policy(Action="s3:*")),
    ("roles_name_resources", role(Resource="*")),
    ("roles_name_resources", role(Resource=[BUCKET, "*"])),
    ("roles_name_resources", role(Resource="arn:aws:s3:::*")),
    ("roles_name_resources", role(Resource={"Fn::Sub": "arn:${AWS::Partition}:s3:::*/models/*"})),
    ("roles_name_resources", role(Resource="arn:aws:sns:eu-central-1:111122223333:*")),
    (
        "roles_name_resources",
        role(Resource={"Fn::Sub": "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:*"}),
    ),
    ("roles_name_resources", role(NotResource=BUCKET)),
    (
        "roles_name_resources",
        role(Action=["ecr:GetAuthorizationToken", "s3:GetObject"], Resource="*"),
    ),
    ("policies_name_resources", policy(Resource="*")),
    ("roles_trust_somebody", one("AWS::IAM::Role", {"AssumeRolePolicyDocument": trust("*")["It"]})),
    (
        "roles_trust_somebody",
        one(
            "AWS::IAM::Role",
            {"AssumeRolePolicyDocument": {"Statement": [{"Principal": {"AWS": "*"}}]}},
        ),
    ),
    ("resource_policies_let_somebody_in", one("AWS::S3::BucketPolicy", OPEN)),
    ("functions_are_called_by_somebody", one("AWS::Lambda::Permission", {"Principal": "*"})),
    (
        "functions_are_called_by_somebody",
        one("AWS::Lambda::Permission", {"Principal": "s3.amazonaws.com"}),
    ),
    ("no_keys_for_ever", one("AWS::IAM::AccessKey", {"UserName": "u"})),
    ("buckets_are_encrypted", one("AWS::S3::Bucket", {"BucketName": "b"}, **KEPT)),
    ("buckets_are_private", one("AWS::S3::Bucket", {"BucketEncryption": ENCRYPTED}, **KEPT)),
    (
        "buckets_are_private",
        one(
            "AWS::S3::Bucket",
            {"PublicAccessBlockConfiguration": PRIVATE | {"BlockPublicPolicy": False}},
        ),
    ),
    ("buckets_are_private", one("AWS::S3::Bucket", GOOD_BUCKET | {"AccessControl": "PublicRead"})),
    ("buckets_say_what_becomes_of_them", one("AWS::S3::Bucket", GOOD_BUCKET)),
    ("queues_are_encrypted", one("AWS::SQS::Queue", {"QueueName": "q"})),
    ("topics_are_encrypted", one("AWS::SNS::Topic", {"TopicName": "t"})),
    ("tables_say_what_becomes_of_them", one("AWS::DynamoDB::Table", {"TableName": "t"})),
    ("logs_end", one("AWS::Logs::LogGroup", {"LogGroupName": "l"})),
    (
        "images_stay_what_they_are",
        one("AWS::ECR::Repository", REPOSITORY_OF_ONES_OWN | {"ImageTagMutability": "MUTABLE"}),
    ),
    (
        "secret_parameters_are_hidden",
        {"Parameters": {"GitToken": {"Type": "String"}}, "Resources": {}},
    ),
    (
        "secret_parameters_are_hidden",
        {"Parameters": {"GitToken": {"NoEcho": True, "Default": "x"}}, "Resources": {}},
    ),
    (
        "functions_have_no_secrets",
        one("AWS::Lambda::Function", {"Environment": {"Variables": CLEAR}}),
    ),
    (
        "models_have_no_secrets",
        one("AWS::SageMaker::Model", {"PrimaryContainer": {"Environment": CLEAR}}),
    ),
    (
        "projects_have_no_secrets",
        one(
            "AWS::CodeBuild::Project",
            {"Environment": {"EnvironmentVariables": [{"Name": "TOKEN", "Type": "PLAINTEXT"}]}},
        ),
    ),
]
GOOD = [
    role(),
    role(Action="ecr:GetAuthorizationToken", Resource="*"),
    policy(Resource=[BUCKET, {"Ref": "Topic"}]),
    one("AWS::S3::Bucket", GOOD_BUCKET, **KEPT),
    one("AWS::SQS::Queue", {"SqsManagedSseEnabled": True}),
    one("AWS::ECR::Repository", REPOSITORY_OF_ONES_OWN),
    one("AWS::Lambda::Function", {"Environment": {"Variables": RESOLVED}}),
    one(
        "AWS::Lambda::Permission",
        {"Principal": "s3.amazonaws.com", "SourceArn": {"Fn::GetAtt": ["Bucket", "Arn"]}},
    ),
]
ALL_RULES = "\n".join(path.read_text() for path in RULES)


@pytest.mark.parametrize(
    ("rule", "content"), BAD, ids=[f"{number}-{rule}" for number, (rule, _) in enumerate(BAD)]
)
def test_a_rule_refuses_what_it_is_for(rule, content):
    assert rule in refused_by(content, ALL_RULES)


@pytest.mark.parametrize("content", GOOD, ids=[json.dumps(each)[:60] for each in GOOD])
def test_the_rules_let_through_what_is_as_it_should_be(content):
    assert refused_by(content, ALL_RULES) == set()


def test_every_rule_is_seen_to_refuse_something():
    assert set(RULE.findall(ALL_RULES)) == {rule for rule, _ in BAD}
