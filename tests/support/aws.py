"""The AWS command line, as users call it: only the endpoint's address is ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

AWS = Path(sys.executable).with_name("aws")


def aws(*arguments: str, url: str, folder: Path) -> str:
    """Run `aws sagemaker-runtime ...` in a folder; returns what it printed. Must succeed."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_PAGER": "",
    }
    ended = subprocess.run(
        [AWS, "sagemaker-runtime", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
