"""The endpoint on S3: moto's server over real HTTP, boto3 unmodified on both sides."""

from __future__ import annotations

import json

import pytest

from tests.support.endpoint import PROJECT, free_port, running_endpoint
from tests.support.s3 import S3Server, running_s3

SIMILARITY = "DocSim.tar.gz"


@pytest.fixture(scope="module")
def s3():
    with running_s3() as server:
        client = server.client()
        client.create_bucket(Bucket="models")
        for key in (f"live/{SIMILARITY}", f"live/de/{SIMILARITY}", "live/TopicalPageRank.tar.gz"):
            name = key.rsplit("/", 1)[1]
            client.upload_file(str(PROJECT / "artifacts" / name), "models", key)
        client.put_object(Bucket="models", Key="live/garbage.tar.gz", Body=b"no archive")
        yield server


def settings_for(s3, **more):
    return {
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **more,
    }


@pytest.fixture(scope="module")
def endpoint(s3, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("s3-endpoint")
    with running_endpoint("s3://models/live/", scratch, settings_for(s3)) as running:
        yield running


def ask(endpoint, target):
    return (
        endpoint.client()
        .invoke_endpoint(
            EndpointName="demo", TargetModel=target, ContentType="text/csv", Body="Impfstoff,Erbgut"
        )["Body"]
        .read()
    )


def test_models_come_from_below_the_prefix(endpoint):
    assert len(json.loads(ask(endpoint, SIMILARITY))) == 1
    assert ask(endpoint, f"de/{SIMILARITY}") == ask(endpoint, SIMILARITY)


def test_a_missing_object_is_named_with_its_key(endpoint):
    client = endpoint.client()
    with pytest.raises(client.exceptions.ValidationError, match=r"s3://models/live/none\.tar\.gz"):
        ask(endpoint, "none.tar.gz")


def test_a_broken_archive_is_named_with_its_key(endpoint):
    client = endpoint.client()
    with pytest.raises(client.exceptions.ValidationError, match=r"/live/garbage\.tar\.gz"):
        ask(endpoint, "garbage.tar.gz")


def test_a_replaced_object_is_served_without_a_failed_request(s3, tmp_path):
    with running_endpoint(
        "s3://models/live", tmp_path, settings_for(s3, MME_STORE_CHECK_S="0")
    ) as endpoint:
        first = ask(endpoint, SIMILARITY)
        body = (PROJECT / "artifacts" / SIMILARITY).read_bytes() + b"\0"  # another ETag
        s3.client().put_object(Bucket="models", Key=f"live/{SIMILARITY}", Body=body)
        gone = f"the former version of {SIMILARITY} is gone"
        for _ in range(2000):
            assert ask(endpoint, SIMILARITY) == first
            if gone in endpoint.log:
                break
        assert gone in endpoint.log
        assert endpoint.log.count(f"fetched s3://models/live/{SIMILARITY}") == 2


def test_while_the_store_is_down_models_on_disk_still_load(tmp_path):
    with running_s3() as server:
        client = server.client()
        client.create_bucket(Bucket="backup")
        client.upload_file(str(PROJECT / "artifacts" / SIMILARITY), "backup", SIMILARITY)
        environment = settings_for(server)
        with running_endpoint("s3://backup", tmp_path, environment) as endpoint:
            first = ask(endpoint, SIMILARITY)
    with running_endpoint("s3://backup", tmp_path, environment) as endpoint:
        assert ask(endpoint, SIMILARITY) == first
        runtime = endpoint.client()
        with pytest.raises(runtime.exceptions.InternalDependencyException, match=r"other\.tar\.gz"):
            ask(endpoint, "other.tar.gz")


def test_while_the_store_is_down_nothing_answers_that_came_from_another(tmp_path):
    with running_endpoint(str(PROJECT / "artifacts"), tmp_path) as endpoint:
        ask(endpoint, SIMILARITY)
    environment = settings_for(S3Server(f"http://127.0.0.1:{free_port()}"))
    with running_endpoint("s3://models", tmp_path, environment) as endpoint:
        runtime = endpoint.client()
        with pytest.raises(runtime.exceptions.InternalDependencyException, match="DocSim"):
            ask(endpoint, SIMILARITY)
