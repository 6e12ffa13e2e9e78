"""Inputs and outputs in S3, by `s3://bucket/key`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.jobs.transform.places import ObjectRef, PlaceUnavailable
from mme.store.buckets import ANY
from mme.store.object_errors import ObjectNotFound
from mme.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from mme.store.buckets import Buckets
    from mme.store.objects import ObjectFacts


class S3Places:
    """Objects of all buckets that the credentials reach, and `buckets` let them."""

    def __init__(self, buckets: Buckets = ANY) -> None:
        self._objects = Objects(buckets)

    def list(self, uri: str) -> Iterator[ObjectRef]:
        """See Places."""
        with _translated():
            for facts in self._objects.list(uri):
                yield _ref(facts)

    def find(self, uri: str) -> ObjectRef | None:
        """See Places."""
        with _translated():
            try:
                return _ref(self._objects.head(uri))
            except ObjectNotFound:
                return None

    @contextlib.contextmanager
    def open(self, ref: ObjectRef) -> Iterator[BinaryIO]:
        """See Places."""
        if self.find(ref.uri) != ref:
            raise PlaceUnavailable(f"{ref.uri} has changed meanwhile")
        with _translated(), self._objects.open(ref.uri) as file:
            yield file

    def write_file(self, uri: str, path: Path, content_type: str) -> ObjectRef:
        """See Places."""
        with _translated():
            try:
                self._objects.write_file(uri, path, content_type)
            except OSError as error:
                raise PlaceUnavailable(f"{uri}: {error.strerror}") from error
            return _ref(self._objects.head(uri))


def _ref(facts: ObjectFacts) -> ObjectRef:
    return ObjectRef(facts.uri, facts.version, facts.size_bytes)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PlaceUnavailable:
        raise
    except EndpointError as error:
        raise PlaceUnavailable(error.message) from error
