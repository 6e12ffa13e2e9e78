"""What a doctor says of a queue in SQS, to users with some rights on it and not others."""

from __future__ import annotations

import json

import boto3
import pytest
import requests

from mme.core.settings import Settings
from mme.doctor.queue import check_queue, judge
from mme.jobs.asynchronous.sqs import ATTRIBUTES, CHANGE, DELETE, RECEIVE, SEND
from tests.support.s3 import running_s3
from tests.support.sqs import ACCOUNT, REGION, made_queue

RIGHTS = (SEND, RECEIVE, DELETE, CHANGE, ATTRIBUTES)
MUCH = 1_000_000


@pytest.fixture(scope="module")
def guarded():
    """A server that asks for rights, a queue on it, and users with some rights each."""
    with running_s3() as server:
        queue, iam = made_queue(server.url), _iam(server.url)
        users = {"all": RIGHTS, "sends": (SEND, ATTRIBUTES), "blind": RIGHTS[:-1]}
        keys = {name: _user(iam, name, rights) for name, rights in users.items()}
        requests.post(f"{server.url}/moto-api/reset-auth", data="0", timeout=10)
        try:
            yield server.url, queue, keys
        finally:
            requests.post(f"{server.url}/moto-api/reset-auth", data=str(MUCH), timeout=10)


def _iam(url):
    return boto3.client(
        "iam", endpoint_url=url, region_name=REGION,
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip


def _user(iam, name, rights):
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": [*rights], "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return iam.create_access_key(UserName=name)["AccessKey"]


@pytest.fixture
def look(guarded, monkeypatch):
    url, queue, keys = guarded
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", url)

    def looked(user, address=queue.address):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys[user]["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys[user]["SecretAccessKey"])
        return check_queue(Settings(queue=address))

    return looked


def test_all_is_well_for_a_user_with_all_rights(look, guarded):
    [finding] = look("all")
    assert (finding.verdict, finding.facts["uri"]) == ("ok", guarded[1].url)


def test_the_rights_that_are_missing_are_named(look):
    [finding] = look("sends")
    assert finding.verdict == "failed"
    assert finding.facts["missing_rights"] == [RECEIVE, DELETE, CHANGE]
    assert f"on arn:aws:sqs:{REGION}:{ACCOUNT}:" in finding.advice


def test_the_right_to_ask_for_attributes_is_named(look):
    [finding] = look("blind")
    assert finding.verdict == "failed"
    assert ATTRIBUTES in finding.found


def test_a_queue_that_is_not_there_is_told(look):
    [finding] = look("all", f"sqs://{REGION}/{ACCOUNT}/none")
    assert (finding.check, finding.verdict) == ("queue", "failed")
    assert "no such queue" in finding.found


def test_an_address_that_is_none_is_told_with_the_forms_there_are():
    [finding] = check_queue(Settings(queue="work"))
    assert finding.verdict == "failed"
    assert "sqs://ACCOUNT/NAME" in finding.found


def test_nothing_is_said_where_no_queue_is_shared():
    assert check_queue(Settings()) == []


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"RedrivePolicy": '{"maxReceiveCount": 400}'}, []),
        ({}, ["dead letters"]),
        ({"RedrivePolicy": '{"maxReceiveCount": 5}'}, ["5 times"]),
        (
            {"RedrivePolicy": '{"maxReceiveCount": "400"}', "MessageRetentionPeriod": "60"},
            ["forgets messages after 60 s"],
        ),
    ],
    ids=str,
)
def test_what_would_lose_requests_is_warned_of(attributes, words):
    found = [*judge(attributes)]
    assert [each.verdict for each in found] == ["warning"] * len(words)
    assert all(word in each.found for word, each in zip(words, found, strict=True))
