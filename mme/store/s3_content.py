"""The content of an object in S3 while it is read: whole, as far as S3 says what it should be.

Its length and the checksums that S3 keeps beside it are boto3's business; here its ETag, which for
most objects is the MD5 of the content, is compared.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mme.core.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from botocore.response import StreamingBody

    from mme.store.base import ArtifactRef


class Digests:
    """Whether this store's ETags are MD5 sums of the content, as far as they look so.

    They need not be: if a second download has the same other sum, they are something else.
    """

    def __init__(self) -> None:
        self._are_md5 = True
        self._unlike: dict[str, str] = {}

    def check(self, ref: ArtifactRef, found: str) -> None:
        """Raise StoreUnavailable if the content read is not what the ETag stands for."""
        if found == ref.version or not self._are_md5:
            return
        if self._unlike.get(ref.uri) == found:
            self._are_md5 = False
            return
        self._unlike = {ref.uri: found}
        raise StoreUnavailable(ref.uri, f"its MD5 is {found} and should be {ref.version}")


class Content:
    """An object's content; at its end the sum is compared."""

    def __init__(
        self,
        body: StreamingBody,
        ref: ArtifactRef,
        digests: Digests | None,
        translated: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._body = body
        self._ref = ref
        self._digests = digests
        self._translated = translated
        self._md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        """As of a file; whoever reads to the end reads until there is nothing."""
        with self._translated(self._ref.target):
            data = self._body.read(None if size < 0 else size)
        if self._digests is not None:
            self._md5.update(data)
            if size < 0 or (size and not data):
                self._digests.check(self._ref, self._md5.hexdigest())
        return data
