"""`docker compose up`, and the README's examples work against S3."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid

import boto3
import pytest
import requests

from tests.support.aws import aws
from tests.support.endpoint import PROJECT
from tests.support.engine import IMAGE, engine

COMPOSE_TIMEOUT_S = 180
PATIENCE_S = 90


def compose_command() -> list[str]:
    """docker's own compose, or podman-compose from the development requirements."""
    if engine() == "docker":
        return ["docker", "compose"]
    return [sys.executable, "-m", "podman_compose"]


@pytest.fixture(scope="module")
def url():
    """The address of a composed endpoint."""
    if IMAGE != "mme":
        pytest.skip("docker-compose.yml names the image mme")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    project = [*compose_command(), "-p", f"mme{uuid.uuid4().hex[:8]}", "-f", "docker-compose.yml"]
    environment = os.environ | {"MME_PUBLISH": str(port)}

    def compose(*arguments: str) -> str:
        ended = subprocess.run(
            [*project, *arguments], cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=COMPOSE_TIMEOUT_S, check=False,
        )  # fmt: skip
        return ended.stdout + ended.stderr

    said = compose("up", "--detach", "--no-build")
    try:
        address = f"http://127.0.0.1:{port}"
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_served(address):
            assert time.monotonic() < deadline_s, f"{said}\n{compose('logs')}"
        yield address
    finally:
        compose("down", "--volumes")


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
