"""Amazon's SDK in an environment of its own, an endpoint of ours, and moto for S3, SNS, SQS and STS.

The scripts below `scripts/` are deployment scripts as users have them: nothing in them names an
address, the environment does.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.endpoint import PROJECT, running_endpoint
from tests.support.s3 import running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.s3 import S3Server

PYTHON = Path(os.environ.get("MME_SDK_PYTHON", PROJECT / ".venv-sdk/bin/python"))
SCRIPTS = Path(__file__).with_name("scripts")
BUCKET = "sagemaker-eu-central-1-123456789012"
"""The SDK's default bucket of moto's account."""
FAMILIES = ("DocSim", "Search", "TopicalPageRank")


@dataclass(frozen=True)
class Scripts:
    """Runs a script as a user does who has set the addresses."""

    environment: dict[str, str]
    folder: Path

    def run(self, name: str, *arguments: str) -> Any:
        """What the script printed in its last line, as JSON. It must succeed."""
        ended = subprocess.run(
            [PYTHON, SCRIPTS / name, *arguments],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=110,
            check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr + ended.stdout  # the SDK prints traces to stdout
        return json.loads(ended.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with running_s3() as server:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        for family in FAMILIES:
            client.upload_file(
                str(PROJECT / "artifacts" / f"{family}.tar.gz"), BUCKET, f"models/{family}.tar.gz"
            )
        yield server


@pytest.fixture(scope="session")
def scripts(s3, tmp_path_factory) -> Iterator[Scripts]:
    """Scripts against an endpoint with an empty store: what they ask they have created."""
    scratch = tmp_path_factory.mktemp("sdk")
    (scratch / "store").mkdir()
    credentials = {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_ENDPOINT_URL_S3": s3.url,
        "AWS_ENDPOINT_URL_SNS": s3.url,
        "AWS_REGION": "eu-central-1",
    }
    with running_endpoint(str(scratch / "store"), scratch, credentials) as endpoint:
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        yield Scripts(
            own
            | credentials
            | {
                "AWS_ENDPOINT_URL": s3.url,
                "AWS_ENDPOINT_URL_SAGEMAKER": endpoint.url,
                "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint.url,
                "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": endpoint.url,
                "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_CONFIG_FILE": str(scratch / "none"),
                "AWS_SHARED_CREDENTIALS_FILE": str(scratch / "none"),
                "HOME": str(scratch),
                "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
                "PYTHONWARNINGS": "ignore",
            },
            scratch,
        )
