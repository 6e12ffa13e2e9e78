"""Which buckets requests may name: those of `MME_BUCKETS`, or any.

A pattern is a bucket (`models`, `team-*`), or a bucket and how keys in it begin or look
(`data/in/*`). Looked at wherever an address that a caller has sent leads to S3, for reading and for
writing; the endpoint's own store is the operator's, and not asked about here.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mme.core.errors import InvalidRequest
from mme.core.names import S3_SCHEME

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_CHARS = 200


class BucketNotNamed(InvalidRequest):
    """A place in S3 that requests may not name here."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"Requests may not name {uri[:SHOWN_CHARS]!r} here: it is not in MME_BUCKETS"
        )


class Buckets:
    """The patterns; none: any bucket."""

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._buckets = tuple(each for each in patterns if "/" not in each)
        self._keys = tuple(
            each + "*" if each.endswith("/") else each for each in patterns if "/" in each
        )

    def check(self, uri: str) -> None:
        """Raise BucketNotNamed for `s3://bucket/key` outside all patterns."""
        if not self._buckets and not self._keys:
            return
        place = uri.removeprefix(S3_SCHEME)
        bucket = place.partition("/")[0]
        if any(fnmatchcase(bucket, pattern) for pattern in self._buckets):
            return
        if any(fnmatchcase(place, pattern) for pattern in self._keys):
            return
        raise BucketNotNamed(uri)


ANY = Buckets()
