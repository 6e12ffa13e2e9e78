"""A store in S3, or whatever speaks its API: targets are keys below a prefix, versions are ETags.

Credentials, region and `AWS_ENDPOINT_URL_S3` are boto3's business, and so are checksums that S3
keeps beside an object. What an error means is in `s3_errors.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    ProfileNotFound,
)

from mme.core.errors import EndpointError, StoreUnavailable, TargetNotFound
from mme.core.names import check_target
from mme.store.base import ARCHIVE_ENDING, ArtifactRef, Changed
from mme.store.s3_client import ClientOfS3
from mme.store.s3_content import Content, Digests
from mme.store.s3_errors import has_no_words, is_changed, is_denied, meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)
PLAIN_ENCRYPTION = (None, "AES256")
"""With these an ETag can be the MD5 of the content, else never."""
DIRECTORY_BUCKET = "--x-s3"
"""How their names end; their ETags look like MD5 and are not."""


class S3Store:
    """Artifacts below `prefix` (empty, or ending in a slash) in `bucket`."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        s3: ClientOfS3 | None = None,
        digests: Digests | None = None,
    ) -> None:
        """Stores may share a client, and with it connections, and what ETags are."""
        self._bucket = bucket
        self._prefix = prefix
        self._s3 = s3 or ClientOfS3()
        self._digests = digests or Digests()
        self.uri = f"s3://{bucket}/{prefix}"

    def check(self) -> None:
        """See Store."""
        with self._translated(""):
            self._client().list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def check_bucket(self) -> None:
        """As `check`, for those who may write and not list."""
        try:
            self._client().list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        except ClientError as error:
            if not is_denied(error):
                raise meaning(error, "", self.uri, self._bucket, may_list=False) from error
        except BotoCoreError as error:
            raise StoreUnavailable(self.uri, str(error)) from error

    def put(self, target: str, file: Path) -> None:
        """Upload a file, whatever was there before. Raises as `find` does, and OSError."""
        check_target(target)
        with file.open("rb") as content, self._writing(self.uri + target):
            self._client().put_object(Bucket=self._bucket, Key=self._prefix + target, Body=content)

    def find(self, target: str) -> ArtifactRef:
        """See Store."""
        check_target(target)
        with self._translated(target):
            try:
                head = self._client().head_object(Bucket=self._bucket, Key=self._prefix + target)
            except ClientError as error:
                raise self._in_words(error, target) from error
        return self._ref(target, head, "ContentLength")

    @contextlib.contextmanager
    def open(self, ref: ArtifactRef) -> Iterator[BinaryIO]:
        """See Store."""
        with self._translated(ref.target):
            answer = self._client().get_object(
                Bucket=self._bucket, Key=self._prefix + ref.target, IfMatch=f'"{ref.version}"'
            )
            digests = self._digests if self._may_be_md5(ref, answer) else None
        with contextlib.closing(answer["Body"]) as body:
            yield cast("BinaryIO", Content(body, ref, digests, self._translated))

    def list(self, prefix: str = "", ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store."""
        return self._listed(prefix, ending, {})

    def list_folder(self, folder: str, ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store."""
        return self._listed(folder, ending, {"Delimiter": "/"})

    def list_after(self, after: str, prefix: str, limit: int) -> Sequence[ArtifactRef]:
        """See Store."""
        terms = {"StartAfter": self._prefix + after} if after else {}
        return list(itertools.islice(self._listed(prefix, ARCHIVE_ENDING, terms), limit))

    def _listed(self, prefix: str, ending: str, terms: dict[str, Any]) -> Iterator[ArtifactRef]:
        with self._translated(prefix):
            lister = self._client().get_paginator("list_objects_v2")
            pages = iter(
                lister.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, **terms)
            )
        while True:
            with self._translated(prefix):
                page = next(pages, None)
                found = [] if page is None else [*self._refs(page.get("Contents", []), ending)]
            if page is None:
                return
            yield from found

    def replace(self, target: str, content: bytes, version: str | None) -> str:
        """See Store."""
        check_target(target)
        place = self.uri + target
        condition: dict[str, Any] = (
            {"IfNoneMatch": "*"} if version is None else {"IfMatch": f'"{version}"'}
        )
        with self._writing(place):
            try:
                answer = self._client().put_object(
                    Bucket=self._bucket, Key=self._prefix + target, Body=content, **condition
                )
            except ClientError as error:
                if is_changed(error):
                    raise Changed(place) from error
                raise
        return answer["ETag"].strip('"')

    @contextlib.contextmanager
    def _writing(self, place: str) -> Iterator[None]:
        """Translate what S3 says to a write."""
        try:
            yield
        except ClientError as error:
            if is_denied(error):
                reason = "the credentials may not write it (s3:PutObject)"
                raise StoreUnavailable(place, reason) from error
            raise meaning(error, "", place, self._bucket, may_list=False) from error
        except BotoCoreError as error:
            raise StoreUnavailable(place, str(error)) from error

    def _refs(self, entries: Iterable[Mapping[str, Any]], ending: str) -> Iterator[ArtifactRef]:
        for entry in entries:
            target = str(entry.get("Key", "")).removeprefix(self._prefix)
            if target.endswith(ending):
                yield self._ref(target, entry, "Size")

    def _may_be_md5(self, ref: ArtifactRef, answer: Mapping[str, Any]) -> bool:
        is_plain = answer.get("ServerSideEncryption") in PLAIN_ENCRYPTION
        is_directory = self._bucket.endswith(DIRECTORY_BUCKET)
        return is_plain and not is_directory and MD5.fullmatch(ref.version) is not None

    def _ref(self, target: str, facts: Mapping[str, Any], size: str) -> ArtifactRef:
        missing = [name for name in ("ETag", size) if facts.get(name) in (None, "")]
        if missing:
            raise StoreUnavailable(
                self.uri + target, f"its answer has no {' and no '.join(missing)}"
            )
        return ArtifactRef(
            target=target,
            version=facts["ETag"].strip('"'),
            size_bytes=facts[size],
            uri=self.uri + target,
            modified_at=facts["LastModified"].timestamp() if "LastModified" in facts else 0.0,
        )

    def _client(self) -> S3Client:
        return self._s3.get()

    def _in_words(self, error: ClientError, target: str) -> ClientError:
        """The error of a HEAD, whose answer has no body, as a GET of one byte tells it."""
        if has_no_words(error):
            try:
                answer = self._client().get_object(
                    Bucket=self._bucket, Key=self._prefix + target, Range="bytes=0-0"
                )
                answer["Body"].close()
            except ClientError as told:
                return told
        return error

    @contextlib.contextmanager
    def _translated(self, target: str) -> Iterator[None]:
        """Turn whatever boto3 raises into ours: what it was told may have been anything."""
        place = self.uri + target
        try:
            yield
        except EndpointError:
            raise
        except ClientError as error:
            is_there = self._is_listed(target) if target and is_denied(error) else None
            if is_there is False:
                raise TargetNotFound(target, place) from error
            raise meaning(error, target, place, self._bucket, may_list=bool(is_there)) from error
        except (ConfigNotFound, ConfigParseError, ProfileNotFound) as error:
            log.warning("%s", error)  # it names files of this machine
            raise StoreUnavailable(place, "AWS's configuration cannot be used") from error
        except BotoCoreError as error:
            raise StoreUnavailable(place, str(error)) from error
        except MemoryError:
            raise
        except Exception as error:
            log.warning("the store's answer could not be read", exc_info=True)
            raise StoreUnavailable(place, f"unforeseen {type(error).__name__}") from error

    def _is_listed(self, target: str) -> bool | None:
        """Whether there is what was denied; None: it may not be listed either.

        Who may list some prefixes alone can be denied what is missing: the request for an object
        has no prefix for the condition to hold.
        """
        key = self._prefix + target
        try:
            answer = self._client().list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
        except (ClientError, BotoCoreError):
            return None
        return any(each.get("Key") == key for each in answer.get("Contents", []))
