"""The template of a shared queue: clean by lint, made by moto, and enough for an endpoint."""

from __future__ import annotations

import json

import boto3
import pytest
from cfnlint.api import lint_file

from mme.core.settings import Settings
from mme.doctor.queue import check_queue
from mme.jobs.asynchronous.sqs import ATTRIBUTES, CHANGE, DELETE, RECEIVE, SEND
from tests.support.cloudformation import Resolved
from tests.support.endpoint import PROJECT
from tests.support.s3 import running_s3
from tests.support.sqs import REGION

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..:UserWarning")
TEMPLATE = PROJECT / "deploy" / "aws" / "queue.yaml"


@pytest.fixture
def aws(monkeypatch):
    """Clients of a server, which is what boto3 finds meanwhile."""
    with running_s3() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield lambda service: boto3.client(service, region_name=REGION)


def made(aws, **parameters):
    """The outputs of a stack made of the template."""
    formation = aws("cloudformation")
    formation.create_stack(
        StackName="queue",
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )
    (stack,) = formation.describe_stacks(StackName="queue")["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def test_the_template_is_clean_by_lint():
    assert [f"{each.rule.id} {each.message}" for each in lint_file(TEMPLATE)] == []


@pytest.mark.parametrize(("is_fifo", "ending"), [("false", "/work"), ("true", "/work.fifo")])
def test_an_endpoint_finds_nothing_wrong_with_the_queue_it_makes(aws, is_fifo, ending):
    outputs = made(aws, QueueName="work", IsFifo=is_fifo)
    assert outputs["Queue"].endswith(ending)
    assert [each.verdict for each in check_queue(Settings(queue=outputs["Queue"]))] == ["ok"]


def test_the_policy_has_the_rights_an_endpoint_needs_on_that_queue_alone(aws):
    arn = made(aws, QueueName="work")["EndpointPolicy"]
    version = aws("iam").get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    document = version["Document"]
    (statement,) = (document if isinstance(document, dict) else json.loads(document))["Statement"]
    assert sorted(statement["Action"]) == sorted([SEND, RECEIVE, DELETE, CHANGE, ATTRIBUTES])
    assert statement["Resource"].endswith(":work")


def test_a_stack_that_is_deleted_leaves_no_queue(aws):
    made(aws, QueueName="work")
    aws("cloudformation").delete_stack(StackName="queue")
    assert aws("sqs").list_queues().get("QueueUrls", []) == []


def test_dead_letters_are_told_of():
    topic = f"arn:aws:sns:{REGION}:123456789012:told"
    given = {"QueueName": "work", "AlarmTopicArn": topic}
    alarm = Resolved(TEMPLATE, given).properties("DeadLettersAlarm")
    assert alarm["AlarmActions"] == [topic]
    assert alarm["Dimensions"][0]["Name"] == "QueueName"
    assert "AlarmActions" not in Resolved(TEMPLATE, {"QueueName": "work"}).properties(
        "DeadLettersAlarm"
    )
