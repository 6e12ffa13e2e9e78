"""One store over many: what is named by a whole URI is in the bucket it names.

Any other name is a target of the endpoint's own store, as it would be without this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from mme.core.errors import EndpointError, TargetNotFound
from mme.core.names import S3_SCHEME
from mme.store.base import ARCHIVE_ENDING
from mme.store.buckets import ANY
from mme.store.s3 import S3Store
from mme.store.s3_client import ClientOfS3
from mme.store.s3_content import Digests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from mme.store.base import ArtifactRef, Store
    from mme.store.buckets import Buckets


class StoresByUri:
    """A Store. Its targets are those of `own`, and URIs: `s3://bucket/models/DocSim.tar.gz`."""

    def __init__(self, own: Store, buckets: Buckets = ANY) -> None:
        """`buckets` are those that URIs may name."""
        self._own = own
        self._buckets = buckets
        self._shared = ClientOfS3(), Digests()
        self.uri = own.uri

    def check(self) -> None:
        """See Store; only `own` is asked."""
        self._own.check()

    def find(self, target: str) -> ArtifactRef:
        """See Store."""
        if not target.startswith(S3_SCHEME):
            return self._own.find(target)
        store, key = self._place(target)
        try:
            return replace(store.find(key), target=target)
        except TargetNotFound as error:
            raise error.named(target) from None

    def open(self, ref: ArtifactRef) -> AbstractContextManager[BinaryIO]:
        """See Store."""
        if not ref.target.startswith(S3_SCHEME):
            return self._own.open(ref)
        store, key = self._place(ref.target)
        try:
            return store.open(replace(ref, target=key))
        except TargetNotFound as error:
            raise error.named(ref.target) from None

    def list(self, prefix: str = "", ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store; what is in `own`."""
        return self._own.list(prefix, ending)

    def list_after(self, after: str, prefix: str, limit: int) -> Sequence[ArtifactRef]:
        """See Store; what is in `own`."""
        return self._own.list_after(after, prefix, limit)

    def list_folder(self, folder: str, ending: str = ARCHIVE_ENDING) -> Iterator[ArtifactRef]:
        """See Store."""
        if not folder.startswith(S3_SCHEME):
            yield from self._own.list_folder(folder, ending)
            return
        store, prefix = self._place(folder)
        for ref in store.list_folder(prefix, ending):
            yield replace(ref, target=ref.uri)

    def replace(self, target: str, content: bytes, version: str | None) -> str:
        """See Store."""
        if not target.startswith(S3_SCHEME):
            return self._own.replace(target, content, version)
        store, key = self._place(target)
        return store.replace(key, content, version)

    def why_unreachable(self, uri: str, *, is_prefix: bool) -> str:
        """Why nothing can be read at a URI, or "". A prefix need have nothing below it."""
        bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
        try:
            self._buckets.check(uri)
            if is_prefix:
                S3Store(bucket, key, *self._shared).check_bucket()
            else:
                S3Store(bucket, "", *self._shared).find(key)
        except EndpointError as error:
            return error.message
        return ""

    def _place(self, uri: str) -> tuple[S3Store, str]:
        self._buckets.check(uri)
        bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
        return S3Store(bucket, "", *self._shared), key
