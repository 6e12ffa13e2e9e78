"""`mme deploy` from nothing to nothing, each call against moto's server."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from pathlib import Path

import boto3
import pytest

from mme.cli.codes import EXIT_NOT_FOUND
from mme.deploy.templates import template
from tests.support.deploying import REGISTRY, Deploying, empty, environment
from tests.support.endpoint import PROJECT
from tests.support.s3 import running_s3

MODELS = ("--models", "s3://models/de/")
UP = ("up", "texts", "--image", "mme", *MODELS)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Tried to parse AWS..:UserWarning"),
    pytest.mark.timeout(400),  # moto's CloudFormation imports all of moto at its first call
]


@pytest.fixture(scope="module")
def aws():
    with running_s3() as server:
        yield server.url


@pytest.fixture
def deploy(aws, tmp_path, monkeypatch, capsys):
    empty(aws)
    for name, value in environment(aws, tmp_path, os.environ["PATH"]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return Deploying(tmp_path, capsys)


def stacks():
    found = boto3.client("cloudformation").describe_stacks()["Stacks"]
    return {each["StackName"]: each["StackStatus"] for each in found}


def parameters(name="texts"):
    [stack] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def test_the_commands_of_the_page_run_one_after_the_other(deploy):
    page = (PROJECT / "docs" / "deploy-aws.md").read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"^\$ mme deploy (.*)$", page, re.MULTILINE)
    assert len(commands) == 7
    for command in commands:
        code, printed, said = deploy(*shlex.split(command))
        assert code == 0, (command, printed, said)
    assert "build --tag mme-deploy ." in deploy.engine
    assert set(stacks()) == {"later", "later-repository"}
    assert parameters("later")["Inference"] == "Asynchronous"


def test_an_endpoint_is_made_shown_changed_and_deleted(deploy, monkeypatch):
    code, printed, said = deploy(*UP)
    assert code == 0, said
    assert "endpoint  texts-Endpoint-" in printed
    assert ": InService" in printed
    assert "add     Endpoint AWS::SageMaker::Endpoint" in said
    assert stacks() == {"texts": "CREATE_COMPLETE", "texts-repository": "CREATE_COMPLETE"}
    sagemaker = boto3.client("sagemaker")
    [model] = sagemaker.list_models()["Models"]
    container = sagemaker.describe_model(ModelName=model["ModelName"])["PrimaryContainer"]
    assert container["Mode"] == "MultiModel"
    assert container["ModelDataUrl"] == "s3://models/de/"
    assert container["Image"].startswith(f"{REGISTRY}/texts@sha256:")

    code, printed, _ = deploy("status", "texts", "--json")
    shown = json.loads(printed)
    assert (code, shown["is_well"], shown["stack"]) == (0, True, "CREATE_COMPLETE")
    assert shown["instances"][0]["type"] == "ml.m5.large"

    code, printed, said = deploy(
        "update", "texts", "--instance-type", "ml.c5.large", "--set", "MaxInstances=8"
    )
    assert code == 0, said
    assert "ml.c5.large" in printed
    changed = parameters()
    assert (changed["InstanceType"], changed["MaxInstances"]) == ("ml.c5.large", "8")
    assert changed["Scaling"] == "on"
    assert changed["ModelPrefix"] == "de/"  # as it was

    code, _, said = deploy("update", "texts", "--set", "MaxInstance=8")
    assert code == 1
    assert "no parameter MaxInstance; there are" in said

    code, printed, said = deploy("delete", "texts", "--dry-run")
    assert code == 0
    assert "would call  ecr.batch_delete_image" in printed
    assert "deletes the stack texts" in said
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        code, _, said = deploy("delete", "texts")
    assert code == 1
    assert "nobody can be asked here: say --yes" in said
    assert set(stacks()) == {"texts", "texts-repository"}

    code, printed, said = deploy("delete", "texts", "--yes")
    assert code == 0, said
    assert "deletes AWS::SageMaker::Endpoint" in said
    assert "deletes AWS::ECR::Repository texts" in said
    assert "deleting 1 images" in said
    assert stacks() == {}
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert boto3.client("ecr").describe_repositories()["repositories"] == []
    assert sagemaker.list_models()["Models"] == []


def test_the_log_group_ends_its_lines_and_is_read_back(deploy):
    assert deploy(*UP)[0] == 0
    logs = boto3.client("logs")
    [group] = logs.describe_log_groups()["logGroups"]
    assert group["logGroupName"] == "/aws/sagemaker/Endpoints/texts"
    logs.create_log_stream(logGroupName=group["logGroupName"], logStreamName="AllTraffic/i-1")
    logs.put_log_events(
        logGroupName=group["logGroupName"],
        logStreamName="AllTraffic/i-1",
        logEvents=[{"timestamp": int(time.time() * 1000), "message": "ready\x1b[2J on port 8080"}],
    )
    code, printed, _ = deploy("logs", "texts", "--since", "1h")
    assert code == 0
    assert "ready\N{REPLACEMENT CHARACTER}[2J on port 8080" in printed
    [line] = deploy("logs", "texts", "--json")[1].splitlines()
    assert json.loads(line)["logStreamName"] == "AllTraffic/i-1"


def test_the_image_is_pushed_once_with_a_password_that_nobody_sees(deploy):
    code, printed, said = deploy(*UP)
    assert code == 0, said
    assert [each.split()[0] for each in deploy.engine] == ["image", "login", "tag", "push"]
    assert deploy.password
    assert deploy.password not in "".join([printed, said, *deploy.engine])
    code, _, said = deploy(*UP)
    assert code == 0, said
    assert "is in the registry already" in said
    assert deploy.engine[-1].startswith("image inspect")


def test_podman_is_told_to_push_what_sagemaker_takes(deploy, tmp_path):
    (tmp_path / "podman").symlink_to("docker")
    code, printed, said = deploy(*UP, "--engine", "podman", "--dry-run")
    assert code == 0, said
    assert "podman push --format v2s2 " in printed


def test_a_repository_stack_of_somebody_elses_is_not_taken(deploy):
    boto3.client("cloudformation").create_stack(
        StackName="texts-repository",
        TemplateBody=template("repository.yaml"),
        Parameters=[{"ParameterKey": "RepositoryName", "ParameterValue": "texts"}],
    )
    code, _, said = deploy(*UP)
    assert code == 1
    assert "there is a stack texts-repository that `mme deploy` did not make" in said


def test_a_dry_run_prints_every_call_and_changes_nothing(deploy):
    code, printed, said = deploy(*UP, "--dry-run")
    assert code == 0, said
    made = [line.split()[2] for line in printed.splitlines() if line.startswith("would call")]
    assert made == [
        "cloudformation.create_change_set",
        "cloudformation.describe_change_set",
        "cloudformation.execute_change_set",
        "cloudformation.describe_stacks",
        "cloudformation.describe_stack_events",
        "ecr.get_authorization_token",
        "docker",
        "docker",
        "docker",
        "cloudformation.create_change_set",
        "cloudformation.describe_change_set",
        "cloudformation.execute_change_set",
        "cloudformation.describe_stacks",
        "cloudformation.describe_stack_events",
    ]
    assert '{"ParameterKey": "ModelBucket", "ParameterValue": "models"}' in printed
    assert stacks() == {}
    assert deploy.engine == ["image inspect --format {{.Id}} mme"]
    as_json = json.loads(deploy(*UP, "--dry-run", "--json")[1])
    assert [each["call"].split()[0] for each in as_json if not each["is_made"]] == made


def test_a_repository_of_ones_own_is_pushed_to_and_outlives_the_endpoint(deploy):
    boto3.client("ecr").create_repository(repositoryName="team/mme")
    code, _, said = deploy(*UP, "--repository", "team/mme")
    assert code == 0, said
    assert set(stacks()) == {"texts"}
    assert deploy("delete", "texts", "--yes")[0] == 0
    [kept] = boto3.client("ecr").describe_repositories()["repositories"]
    assert kept["repositoryName"] == "team/mme"
    assert len(boto3.client("ecr").list_images(repositoryName="team/mme")["imageIds"]) == 1


def test_an_image_of_ecr_is_taken_by_its_digest_without_an_engine(deploy):
    assert deploy(*UP, "--repository", "shared")[0] == 1  # there is none
    boto3.client("ecr").create_repository(repositoryName="shared")
    assert deploy(*UP, "--repository", "shared")[0] == 0
    [image] = boto3.client("ecr").list_images(repositoryName="shared")["imageIds"]
    calls = len(deploy.engine)
    named = f"{REGISTRY}/shared:{image['imageTag']}"
    code, _, said = deploy("up", "second", "--image", named, *MODELS)
    assert code == 0, said
    assert len(deploy.engine) == calls
    assert parameters("second")["ImageVersion"] == f"@{image['imageDigest']}"


def test_the_repository_stays_where_that_is_wanted(deploy):
    assert deploy(*UP)[0] == 0
    code, _, said = deploy("delete", "texts", "--yes", "--keep-repository")
    assert code == 0
    assert "AWS::ECR::Repository" not in said
    assert set(stacks()) == {"texts-repository"}
    code, _, said = deploy("delete", "texts", "--yes", "--keep-repository")
    assert (code, "deletes" in said) == (EXIT_NOT_FOUND, False)  # there is nothing else
    assert deploy(*UP)[0] == 0  # and is used again
    assert deploy("delete", "texts", "--yes")[0] == 0
    assert stacks() == {}


def test_what_cannot_be_is_refused_before_anything_is_made(deploy, monkeypatch):
    cases = [
        (("up", "texts", *MODELS), 1, "a new one needs --models, and --image or --build"),
        (("up", "texts", "--image", "mme"), 1, "a new one needs --models"),
        (("up", "Texts!", *MODELS), 2, "'Texts!' cannot be the name of a deployment"),
        (("up", "texts", "--image", "mme", "--models", "s3://models"), 1, "never a whole bucket"),
        (("up", "texts", "--image", "mme", "--models", "/tmp"), 1, "s3://bucket/prefix/"),
        (("up", "texts", "--image", "not-there", *MODELS), 1, "no such image: not-there"),
        (("up", "texts", "--build", "/nowhere", *MODELS), 1, "/nowhere is no folder"),
        (
            ("up", "texts", "--image", "mme", "--engine", "no-engine", *MODELS),
            1,
            "no no-engine here",
        ),
        (("up", "texts", "--image", f"{REGISTRY}/xy:1", *MODELS), 1, "no repository xy"),
        (
            ("up", "texts", "--image", f"{REGISTRY.replace('123', '999')}/x:1", *MODELS),
            1,
            "another registry",
        ),
        (("update", "texts", "--set", "MaxInstances=3"), 4, "no deployment texts in eu-central-1"),
        (("status", "texts"), 4, "no deployment texts"),
        (("logs", "texts"), 4, "no deployment texts"),
        (("delete", "texts", "--yes"), 4, "no deployment texts"),
    ]
    for arguments, code, words in cases:
        found = deploy(*arguments)
        assert found[0] == code, (arguments, found)
        assert words in found[2], (arguments, found)
    assert stacks() == {}


def test_a_name_that_others_have_taken_is_left_alone(deploy):
    boto3.client("cloudformation").create_stack(
        StackName="texts",
        TemplateBody='{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}',
    )
    for command in (UP, ("update", "texts"), ("delete", "texts", "--yes")):
        code, _, said = deploy(*command)
        assert code == 1
        assert "the name texts is taken" in said
    assert stacks() == {"texts": "CREATE_COMPLETE"}


def test_an_endpoint_without_a_stack_is_left_alone(deploy):
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_model(
        ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r",
        PrimaryContainer={"Image": "i", "ModelDataUrl": "s3://b/p/"},
    )  # fmt: skip
    sagemaker.create_endpoint_config(
        EndpointConfigName="c",
        ProductionVariants=[
            {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1,
             "InstanceType": "ml.m5.large"}
        ],
    )  # fmt: skip
    sagemaker.create_endpoint(EndpointName="texts", EndpointConfigName="c")
    code, _, said = deploy(*UP)
    assert code == 1
    assert "there is an endpoint texts that no stack of that name has made" in said


def test_without_credentials_or_region_it_is_said_what_to_do(deploy, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    code, _, said = deploy("status", "texts")
    assert code == 1
    assert "there are no credentials for AWS" in said
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    code, _, said = deploy("status", "texts")
    assert code == 1
    assert "no region is named: give --region" in said
