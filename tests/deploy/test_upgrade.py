"""What earlier versions left on the disk is gone on with: caches, endpoints, accepted work.

The archives in `upgrade/` were written by those versions themselves (`upgrade/README.md`).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.earlier import (
    BUCKET,
    CACHE,
    ENDPOINT,
    JOB,
    STORE,
    TAGS,
    TEXTS,
    aws,
    fill,
    keyphrases,
    laid_down,
    settings_for,
)
from tests.support.endpoint import running_endpoint
from tests.support.s3 import running_s3
from tests.support.waiting import eventually

ARCHIVES = Path(__file__).with_name("upgrade")
CACHES, STATES = ("e6768b8", "bbb405d"), ("4441562", "93c1977")
"""Versions that had a cache alone, and those that had a state as well."""
WAIT_S = 60


def object_at(s3, uri):
    """An object's JSON, once it is there."""
    key = uri.removeprefix(f"s3://{BUCKET}/")
    eventually(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"], bool, WAIT_S)
    return json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.mark.parametrize("version", CACHES)
def test_models_answer_as_before_on_the_cache_of_an_earlier_version(version, tmp_path):
    facts = laid_down(ARCHIVES / f"{version}.tar.xz", tmp_path, time.time())
    (kept,) = (tmp_path / CACHE / "artifacts").iterdir()
    with running_endpoint(str(tmp_path / STORE), tmp_path) as endpoint:
        for text, answer in facts["answers"].items():
            assert keyphrases(endpoint.url, text, "any") == answer
        assert endpoint.stop() == 0
    assert "Traceback" not in endpoint.log
    if version == CACHES[0]:  # before there were records
        assert f"'{kept}' has no record that can be believed: it is removed" in endpoint.log


@pytest.fixture(scope="module", params=STATES)
def upgraded(request, tmp_path_factory):
    """This version on the state of an earlier one that was killed, and what that had accepted."""
    folder = tmp_path_factory.mktemp("upgraded")
    facts = laid_down(ARCHIVES / f"{request.param}.tar.xz", folder, time.time())
    with running_s3() as s3:
        fill(s3.client(), folder / STORE)
        with running_endpoint(str(folder / STORE), folder, settings_for(s3.url)) as endpoint:
            yield endpoint, s3.client(), facts


def test_its_cache_answers_as_before(upgraded):
    endpoint, _, facts = upgraded
    for text, answer in facts["answers"].items():
        assert keyphrases(endpoint.url, text, "any") == answer


def test_no_request_that_an_earlier_version_accepted_is_lost(upgraded):
    _, s3, facts = upgraded
    for each in facts["queued"]:
        assert object_at(s3, each["output"]) == facts["answers"][each["text"]]


def test_a_transform_job_that_an_earlier_version_accepted_is_completed(upgraded):
    endpoint, s3, facts = upgraded
    client = aws("sagemaker", endpoint.url)
    eventually(
        lambda: client.describe_transform_job(TransformJobName=JOB)["TransformJobStatus"],
        "Completed".__eq__,
        WAIT_S,
    )
    for number, text in enumerate(TEXTS):
        uri = f"s3://{BUCKET}/transformed/{number}.txt.out"
        assert object_at(s3, uri) == facts["answers"][text]


def test_endpoints_of_an_earlier_version_serve_with_their_tags_and_their_scaling(upgraded):
    endpoint, *_ = upgraded
    client = aws("sagemaker", endpoint.url)
    described = client.describe_endpoint(EndpointName=ENDPOINT)
    assert described["EndpointStatus"] == "InService"
    assert client.list_tags(ResourceArn=described["EndpointArn"])["Tags"] == TAGS
    (target,) = aws("application-autoscaling", endpoint.url).describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    assert "Traceback" not in endpoint.log
