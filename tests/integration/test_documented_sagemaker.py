"""docs/sagemaker.md and docs/control-plane.md, followed: with an endpoint of ours for SageMaker.

S3 is moto's server. The image and its registry are left out.
"""

from __future__ import annotations

import re

import boto3
import pytest

from mme.core.settings import Settings
from tests.support.documented import agrees, blocks_of, run
from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.s3 import running_s3

PAGE = (PROJECT / "docs" / "sagemaker.md").read_text("utf-8")
SERVED = ("SAGEMAKER", "SAGEMAKER_RUNTIME")


@pytest.fixture
def address(tmp_path, monkeypatch):
    with running_s3() as s3:
        given = {
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL_S3": s3.url,
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(
            Bucket="my-bucket",
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        )
        with running_endpoint(str(PROJECT / "artifacts"), tmp_path, given) as endpoint:
            for service in SERVED:
                monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", endpoint.url)
            yield endpoint.url


def test_the_calls_of_the_page_deploy_and_are_answered_as_it_says(address):
    blocks = blocks_of(PAGE)
    assert len(blocks) == 2
    for block in blocks:
        for example, printed in zip(block, run(block, address, PROJECT), strict=True):
            assert agrees(example.output, printed), printed


def test_the_program_of_the_control_plane_runs_as_it_stands(address):
    boto3.client("s3").upload_file(
        str(PROJECT / "artifacts" / "DocSim.tar.gz"), "my-bucket", "models/de/DocSim.tar.gz"
    )
    [block] = blocks_of((PROJECT / "docs" / "control-plane.md").read_text("utf-8"))
    assert run(block, address, PROJECT) == [""]


def test_the_formula_gives_the_sizes_of_the_table():
    [formula] = re.findall(r"^memory = (.*)$", PAGE, re.MULTILINE)
    python = formula.replace(" x ", " * ")
    python = re.sub(r"(\d+) KiB", r"\1 / 1024", python).replace(" MiB", "")

    def gib(**values):
        return round(eval(python, {}, values) / 1024, 1)  # noqa: S307 - a formula of our page

    loads, models = Settings().parallel_loads, Settings().resident_models
    sizes = [gib(w=2, m=models, a=mib, l=loads) for mib in (10, 174)]
    assert [f"{size} GiB" in PAGE for size in sizes] == [True, True], sizes
