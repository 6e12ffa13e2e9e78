"""What a doctor says of a store in S3 that is asked by a user with some rights and not others."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests

from mme.doctor.s3_asking import AskingS3
from mme.doctor.s3_rights import GET, LIST, refusal_of
from mme.doctor.s3_store import look_at_s3
from tests.support.archives import tar_gz
from tests.support.s3 import running_s3
from tests.support.scripted_s3 import Said, scripted_s3

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET, PREFIX, TARGET = "models", "live/", "de/DocSim.tar.gz"
URI = f"s3://{BUCKET}/{PREFIX}"
MUCH = 1_000_000


@pytest.fixture(scope="module")
def guarded():
    """A server that asks for rights once `auth` says so, and users with some of them each."""
    with running_s3() as server:
        admin: dict[str, Any] = {
            "endpoint_url": server.url, "region_name": "us-east-1",
            "aws_access_key_id": "test", "aws_secret_access_key": "test",
        }  # fmt: skip
        s3, iam = boto3.client("s3", **admin), boto3.client("iam", **admin)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=PREFIX + TARGET, Body=tar_gz({"a": b"a"}))
        keys = {}
        for name, actions in {
            "both": [LIST, GET], "lists": [LIST], "reads": [GET], "nothing": ["s3:PutObject"],
        }.items():  # fmt: skip
            iam.create_user(UserName=name)
            statement = {"Effect": "Allow", "Action": [*actions, "sts:*"], "Resource": "*"}
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
            keys[name] = iam.create_access_key(UserName=name)["AccessKey"]
        requests.post(f"{server.url}/moto-api/reset-auth", data="0", timeout=10)
        try:
            yield server.url, keys
        finally:
            requests.post(f"{server.url}/moto-api/reset-auth", data=str(MUCH), timeout=10)


@pytest.fixture
def look(guarded, monkeypatch):
    url, keys = guarded
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)

    def looked(user, *named):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys[user]["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys[user]["SecretAccessKey"])
        found = look_at_s3(URI, named)
        return found, {each.check: each for each in found.findings}

    return looked


def verdicts(by_check):
    return {check: each.verdict for check, each in by_check.items()}


def test_who_asks_is_told_of_the_credentials_that_were_found(look, monkeypatch):
    kept = boto3.session.Session("another", "secret")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", kept)
    _, by_check = look("both")
    assert by_check["credentials"].facts["identity"].endswith(":user/both")


def test_all_is_well_for_a_user_with_both_rights(look):
    looked, by_check = look("both")
    assert verdicts(by_check) == {
        "credentials": "ok", "store: list": "ok", "store: read": "ok", "clock": "ok",
    }  # fmt: skip
    assert [each.target for each in looked.offers] == [TARGET]
    who = by_check["credentials"]
    assert who.facts["source"] == "environment variables"
    assert who.facts["identity"].endswith(":user/both")
    assert by_check["store: read"].facts["uri"] == URI + TARGET


def test_the_right_to_read_is_named_where_it_is_missing(look):
    looked, by_check = look("lists")
    assert verdicts(by_check)["store: list"] == "ok"
    read = by_check["store: read"]
    assert (read.verdict, read.facts["missing_right"]) == ("failed", GET)
    assert "s3:GetObject on arn:aws:s3:::models/live/*" in read.advice
    assert not looked.can_be_read


def test_without_the_right_to_list_named_models_are_served_yet_not_shown(look):
    _, by_check = look("reads", TARGET)
    listing = by_check["store: list"]
    assert (listing.verdict, listing.facts["missing_right"]) == ("warning", LIST)
    assert "s3:ListBucket on arn:aws:s3:::models " in listing.advice
    assert verdicts(by_check)["store: read"] == "ok"


def test_without_the_right_to_list_and_a_name_to_try_it_is_said_how_to_give_one(look):
    _, by_check = look("reads")
    assert by_check["store: list"].verdict == "failed"
    assert by_check["store: read"].verdict == "skipped"
    assert "--artifact" in by_check["store: read"].found


def test_both_rights_are_named_where_both_are_missing(look):
    _, by_check = look("nothing", TARGET)
    found = [by_check["store: list"], by_check["store: read"]]
    assert [each.facts["missing_right"] for each in found] == [LIST, GET]
    assert {each.verdict for each in found} == {"failed"}


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(look, guarded, monkeypatch):
    monkeypatch.setitem(guarded[1], "mistyped", {"AccessKeyId": "AKIAX", "SecretAccessKey": "x"})
    _, by_check = look("mistyped")
    assert by_check["store: list"].facts["code"] == "InvalidAccessKeyId"
    assert "AWS_ACCESS_KEY_ID" in by_check["store: list"].advice


def test_no_credentials_are_told_with_the_ways_to_give_them():
    found = look_at_s3(URI).findings
    assert [(each.check, each.verdict) for each in found] == [("credentials", "failed")]
    assert "AWS_ACCESS_KEY_ID" in found[0].advice


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("mme.store.s3_client.ATTEMPTS", 1)
    with scripted_s3() as script:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", script.url)
        yield script


def looked_at(script, say):
    script.say = lambda _method, _path: say
    return {each.check: each for each in look_at_s3(URI).findings}


def test_the_region_a_bucket_is_in_is_told(scripted):
    error = Said.error(400, "AuthorizationHeaderMalformed")
    error.headers["x-amz-bucket-region"] = "eu-west-1"
    listing = looked_at(scripted, error)["store: list"]
    assert listing.advice == "set AWS_REGION=eu-west-1"


def test_a_bucket_that_is_not_there_is_told(scripted):
    listing = looked_at(scripted, Said.error(404, "NoSuchBucket"))["store: list"]
    assert listing.verdict == "failed"
    assert "there is no such bucket" in listing.advice


@pytest.mark.parametrize(("ahead_s", "verdict"), [(3600, "failed"), (-300, "warning"), (3, "ok")])
def test_the_clock_is_compared_with_what_s3_says_also_when_it_refuses(scripted, ahead_s, verdict):
    scripted.say = lambda _method, _path: Said.error(403, "AccessDenied")
    asking = AskingS3(clock=lambda: time.time() + ahead_s)
    by_check = {each.check: each for each in look_at_s3(URI, asking=asking).findings}
    assert by_check["clock"].verdict == verdict


def test_an_s3_that_is_not_there_is_named_by_its_address(scripted, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    by_check = {each.check: each for each in look_at_s3(URI).findings}
    assert by_check["store: list"].verdict == "failed"
    assert "http://127.0.0.1:9" in by_check["store: list"].advice
    assert by_check["clock"].verdict == "skipped"


def said(code, message="", status=403, **headers) -> Mapping[str, object]:
    return {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }


def test_s3s_own_words_say_who_lacks_what_and_why():
    message = (
        "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: kms:Decrypt on"
        ' resource: "arn:aws:kms:eu-west-1:1:key/k" because no identity-based policy allows the'
        " kms:Decrypt action"
    )
    refusal = refusal_of(said("AccessDenied", message), GET, "arn:aws:s3:::b/*")
    assert refusal.missing_right == "kms:Decrypt"
    assert refusal.identity == "arn:aws:sts::1:assumed-role/r/s"
    assert "kms:Decrypt on arn:aws:kms:eu-west-1:1:key/k" in refusal.advice
    assert "no identity-based policy" in refusal.found


def test_a_key_that_is_disabled_is_no_missing_right_of_s3s():
    refusal = refusal_of(said("KMS.DisabledException", "k is disabled", 400), GET, "arn")
    assert "k is disabled" in refusal.found
    assert refusal.missing_right != GET
