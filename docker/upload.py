"""Put the sample artifacts into the store of docker-compose.yml, once the store answers."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

BUCKET, ARTIFACTS = "models", Path("/opt/mme/artifacts")
PATIENCE_S = 60.0


def main() -> int:
    """Try until it works or patience ends."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            upload()
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline_s:
                sys.stderr.write(f"upload: {error}\n")
                return 1
            time.sleep(0.5)
        else:
            return 0


def upload() -> None:
    """Make the bucket and upload every artifact the image brings."""
    s3 = boto3.client("s3")
    region = s3.meta.region_name
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": region})
    for archive in sorted(ARTIFACTS.rglob("*.tar.gz")):
        key = archive.relative_to(ARTIFACTS).as_posix()
        s3.upload_file(str(archive), BUCKET, key)
        sys.stdout.write(f"s3://{BUCKET}/{key}\n")


if __name__ == "__main__":
    sys.exit(main())
