"""A store in S3, or whatever speaks its API: targets are keys below a prefix, versions are ETags.

Credentials, region and `AWS_ENDPOINT_URL_S3` are boto3's business.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mme.core.errors import EndpointError, StoreUnavailable, TargetNotFound
from mme.core.names import check_target
from mme.store.base import ARCHIVE_ENDING, ArtifactRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
ATTEMPTS = 3
DEFAULT_REGION = "us-east-1"
FORBIDDEN, GONE, SERVER_FAULT = 403, 404, 500
CHANGED = ("PreconditionFailed", "412")


class S3Store:
    """Artifacts below `prefix` (empty, or ending in a slash) in `bucket`."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._lock = threading.Lock()
        self._made: S3Client | None = None
        self.uri = f"s3://{bucket}/{prefix}"

    def find(self, target: str) -> ArtifactRef:
        """See Store."""
        check_target(target)
        with self._translated(target):
            head = self._client().head_object(Bucket=self._bucket, Key=self._prefix + target)
        return ArtifactRef(
            target=target,
            version=head["ETag"].strip('"'),
            size_bytes=head["ContentLength"],
            uri=self.uri + target,
        )

    @contextlib.contextmanager
    def open(self, ref: ArtifactRef) -> Iterator[BinaryIO]:
        """See Store."""
        with self._translated(ref.target):
            answer = self._client().get_object(
                Bucket=self._bucket, Key=self._prefix + ref.target, IfMatch=f'"{ref.version}"'
            )
            with contextlib.closing(answer["Body"]) as body:
                yield cast("BinaryIO", body)

    def list(self, prefix: str = "", ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store."""
        with self._translated(prefix):
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for found in page.get("Contents", []):
                    target = found["Key"].removeprefix(self._prefix)
                    if target.endswith(ending):
                        yield ArtifactRef(
                            target=target,
                            version=found["ETag"].strip('"'),
                            size_bytes=found["Size"],
                            uri=self.uri + target,
                        )

    def _client(self) -> S3Client:
        """The client, made at first use: finding credentials may take a while."""
        with self._lock:
            if self._made is None:
                session = boto3.session.Session()
                self._made = session.client(
                    "s3",
                    # A local S3 asks for no region; AWS would say so if this one were wrong.
                    region_name=session.region_name or DEFAULT_REGION,
                    config=Config(
                        connect_timeout=CONNECT_TIMEOUT_S,
                        read_timeout=READ_TIMEOUT_S,
                        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                    ),
                )
            return self._made

    @contextlib.contextmanager
    def _translated(self, target: str) -> Iterator[None]:
        """Turn boto3's errors into ours."""
        place = self.uri + target
        try:
            yield
        except EndpointError:
            raise
        except ClientError as error:
            raise self._meaning(error, target, place) from error
        except BotoCoreError as error:
            raise StoreUnavailable(place, str(error)) from error

    def _meaning(self, error: ClientError, target: str, place: str) -> EndpointError:
        details = cast("dict[str, Any]", error.response)
        code = str(details.get("Error", {}).get("Code", ""))
        status = int(details.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code == "NoSuchBucket":
            return TargetNotFound(target, place, f"there is no bucket {self._bucket!r}")
        if code in CHANGED:
            return StoreUnavailable(place, "it has changed meanwhile; ask again")
        if status == FORBIDDEN:
            return TargetNotFound(target, place, f"access is denied ({code})")
        if status == GONE or code == "NoSuchKey":
            return TargetNotFound(target, place)
        return StoreUnavailable(place, f"{status} {code}")
