"""Any object in S3 by its `s3://bucket/key`: what a request says to read, where to write.

Blocking; any number of threads may use one. Errors are those of `object_errors.py`. Artifacts are
read by `s3.py`, which checks more and knows versions.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from mme.store.buckets import ANY
from mme.store.object_errors import ObjectNotFound, ObjectsUnavailable, ObjectTooLarge, translated
from mme.store.object_uri import key_place_of, place_of, place_of_https
from mme.store.s3_client import MOST_CONNECTIONS, ClientOfS3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

    from mme.store.buckets import Buckets
    from mme.store.object_uri import ObjectPlace

GET, PUT, DELETE, LIST = "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"
PIECE_BYTES = 1024 * 1024
READ_FAULTS = (OSError, ValueError)
"""What urllib3 and http.client raise while a body comes, beside botocore's own."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What S3 says of an object."""

    uri: str
    size_bytes: int
    version: str
    """Its ETag, without quotes."""
    content_type: str = ""
    """Empty in lists."""


class Objects:
    """S3 as far as the credentials reach, and `buckets` let them: BucketNotNamed outside."""

    def __init__(self, buckets: Buckets = ANY) -> None:
        self._s3 = ClientOfS3(MOST_CONNECTIONS)
        self._buckets = buckets

    def normal(self, uri: str) -> str:
        """`uri` as `s3://bucket/key`, also if it is in one of S3's https forms.

        Raises InvalidRequest for what is not the address of an object in S3; ObjectsUnavailable.
        """
        if not uri.startswith("https://"):
            return self._key_place(uri).uri
        with translated(uri, GET):
            endpoint_url = self._s3.get().meta.endpoint_url
        return self._key_place(place_of_https(uri, endpoint_url).uri).uri

    def head(self, uri: str) -> ObjectFacts:
        """Size, type and version of an object."""
        place = self._key_place(uri)
        with translated(uri, GET):
            head = self._s3.get().head_object(Bucket=place.bucket, Key=place.key)
        return ObjectFacts(
            uri=place.uri,
            size_bytes=head["ContentLength"],
            version=head.get("ETag", "").strip('"'),
            content_type=head.get("ContentType", ""),
        )

    def exists(self, uri: str) -> bool:
        """Whether there is such an object."""
        try:
            self.head(uri)
        except ObjectNotFound:
            return False
        return True

    def read(self, uri: str, limit_bytes: int) -> bytes:
        """The whole content; ObjectTooLarge if it has more than `limit_bytes`."""
        return self.get(uri, limit_bytes)[0]

    def get(self, uri: str, limit_bytes: int) -> tuple[bytes, ObjectFacts]:
        """As `read`, and what S3 says of the object, in one request."""
        with self._opened(uri) as (content, facts):
            if facts.size_bytes > limit_bytes:
                raise ObjectTooLarge(uri, facts.size_bytes, limit_bytes)
            body = content.read()
        if len(body) != facts.size_bytes:
            raise ObjectsUnavailable(uri, f"{len(body)} of its {facts.size_bytes} bytes came")
        return body, facts

    @contextlib.contextmanager
    def open(self, uri: str) -> Iterator[BinaryIO]:
        """The content as a file to be read once, from the start; buffered."""
        with self._opened(uri) as (content, _), io.BufferedReader(content, PIECE_BYTES) as file:
            yield cast("BinaryIO", file)

    def write(self, uri: str, body: bytes, content_type: str = "") -> None:
        """Make the object, or what it is from now on."""
        self._put(uri, body, content_type)

    def write_file(self, uri: str, path: Path, content_type: str = "") -> None:
        """Make the object of a file, in parts if it is large. Also raises OSError."""
        place = self._key_place(uri)
        extra = {"ContentType": content_type} if content_type else None
        with path.open("rb") as file, translated(uri, PUT):
            self._s3.get().upload_fileobj(file, place.bucket, place.key, ExtraArgs=extra)

    def list(self, prefix_uri: str) -> Iterator[ObjectFacts]:
        """All objects whose address begins so, in the order of their keys."""
        place = place_of(prefix_uri)
        self._buckets.check(place.uri)
        with translated(prefix_uri, LIST):
            lister = self._s3.get().get_paginator("list_objects_v2")
            pages = iter(lister.paginate(Bucket=place.bucket, Prefix=place.key))
        while True:
            with translated(prefix_uri, LIST):
                page = next(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", []):
                yield ObjectFacts(
                    uri=f"s3://{place.bucket}/{entry['Key']}",
                    size_bytes=entry["Size"],
                    version=entry.get("ETag", "").strip('"'),
                )

    def delete(self, uri: str) -> None:
        """Delete the object; no error if there is none."""
        place = self._key_place(uri)
        with translated(uri, DELETE):
            self._s3.get().delete_object(Bucket=place.bucket, Key=place.key)

    def _put(self, uri: str, body: bytes, content_type: str) -> None:
        place = self._key_place(uri)
        extra: Mapping[str, Any] = {"ContentType": content_type} if content_type else {}
        with translated(uri, PUT):
            client: S3Client = self._s3.get()
            client.put_object(Bucket=place.bucket, Key=place.key, Body=body, **extra)

    def _key_place(self, uri: str) -> ObjectPlace:
        place = key_place_of(uri)
        self._buckets.check(place.uri)
        return place

    @contextlib.contextmanager
    def _opened(self, uri: str) -> Iterator[tuple[_Content, ObjectFacts]]:
        place = self._key_place(uri)
        with translated(uri, GET):
            answer = self._s3.get().get_object(Bucket=place.bucket, Key=place.key)
        facts = ObjectFacts(
            uri=place.uri,
            size_bytes=answer["ContentLength"],
            version=answer.get("ETag", "").strip('"'),
            content_type=answer.get("ContentType", ""),
        )
        with contextlib.closing(answer["Body"]) as body:
            yield _Content(body, uri), facts


class _Content(io.RawIOBase):
    """A body as a file; what goes wrong on the way is S3's fault."""

    def __init__(self, body: StreamingBody, uri: str) -> None:
        self._body = body
        self._uri = uri

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._some(None)

    def _some(self, size: int | None) -> bytes:
        try:
            with translated(self._uri, GET):
                return self._body.read(size)
        except READ_FAULTS as error:
            raise ObjectsUnavailable(self._uri, type(error).__name__) from error
