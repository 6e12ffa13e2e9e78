"""Inputs and outputs in S3, by `s3://bucket/key`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mme.core.errors import InvalidRequest, StoreUnavailable, TargetNotFound
from mme.jobs.transform.places import ObjectRef
from mme.store.base import ArtifactRef, TargetDenied
from mme.store.s3 import S3Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

S3 = "s3://"


class S3Places:
    """Objects of all buckets that the credentials reach."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: dict[str, S3Store] = {}

    def list(self, uri: str) -> Iterator[ObjectRef]:
        """See Places."""
        bucket, key = _parts(uri)
        for ref in self._store(bucket).list(key, ending=""):
            yield ObjectRef(ref.uri, ref.version, ref.size_bytes)

    def find(self, uri: str) -> ObjectRef | None:
        """See Places."""
        bucket, key = _parts(uri)
        try:
            ref = self._store(bucket).find(key)
        except TargetDenied as error:
            raise StoreUnavailable(uri, "access is denied, or there is no such object") from error
        except TargetNotFound:
            return None
        except InvalidRequest as error:
            raise StoreUnavailable(uri, "its key is no plain path") from error
        return ObjectRef(ref.uri, ref.version, ref.size_bytes)

    def open(self, ref: ObjectRef) -> AbstractContextManager[BinaryIO]:
        """See Places."""
        bucket, key = _parts(ref.uri)
        try:
            return self._store(bucket).open(ArtifactRef(key, ref.version, ref.size_bytes, ref.uri))
        except TargetNotFound as error:
            raise StoreUnavailable(ref.uri, "it is not there any more, or denied") from error

    def write_file(self, uri: str, path: Path, content_type: str) -> ObjectRef:
        """See Places."""
        del content_type
        bucket, key = _parts(uri)
        try:
            self._store(bucket).put(key, path)
        except InvalidRequest as error:
            raise StoreUnavailable(uri, "its key is no plain path") from error
        except OSError as error:
            raise StoreUnavailable(uri, error.strerror or type(error).__name__) from error
        found = self.find(uri)
        if found is None:
            raise StoreUnavailable(uri, "it has been removed meanwhile")
        return found

    def _store(self, bucket: str) -> S3Store:
        with self._lock:
            return self._stores.setdefault(bucket, S3Store(bucket, ""))


def _parts(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(S3).partition("/")
    return bucket, key
