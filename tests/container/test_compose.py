"""`docker compose up`, and the README's examples work against S3."""

from __future__ import annotations

import json
import time

import boto3
import pytest
import requests

from tests.support.aws import aws
from tests.support.compose import composed
from tests.support.endpoint import PROJECT

PATIENCE_S = 90


@pytest.fixture(scope="module")
def url():
    """The address of a composed endpoint."""
    with composed(PROJECT / "docker-compose.yml") as (project, said):
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_served(project.url):
            assert time.monotonic() < deadline_s, f"{said}\n{project.run('logs')}"
        yield project.url


def is_served(address: str) -> bool:
    """Whether the artifacts have been uploaded and a model of them answers."""
    try:
        answer = requests.post(
            f"{address}/invocations",
            data="Impfstoffe verändern das Erbgut nicht.".encode(),
            headers={
                "X-Amzn-SageMaker-Target-Model": "TopicalPageRank.tar.gz",
                "Content-Type": "text/plain",
            },
            timeout=60,
        )
    except requests.RequestException:
        return False
    return answer.ok


def test_boto3_as_in_the_readme(url):
    runtime = boto3.client(
        "sagemaker-runtime", endpoint_url=url, region_name="eu-central-1",
        aws_access_key_id="any", aws_secret_access_key="any",
    )  # fmt: skip
    answer = runtime.invoke_endpoint(
        EndpointName="demo",
        TargetModel="DocSim.tar.gz",
        ContentType="text/csv",
        Body="Impfstoff,Erbgut",
    )
    assert len(json.load(answer["Body"])) == 1


def test_the_aws_command_line_as_in_the_readme(url, tmp_path):
    (tmp_path / "claim.txt").write_text("Impfstoffe verändern das Erbgut nicht.")
    aws(
        "invoke-endpoint", "--endpoint-name", "demo", "--target-model", "TopicalPageRank.tar.gz",
        "--content-type", "text/plain", "--body", "fileb://claim.txt", "keyphrases.json",
        url=url, folder=tmp_path,
    )  # fmt: skip
    assert json.loads((tmp_path / "keyphrases.json").read_text())
