"""Where an object is: `s3://bucket/key`, taken apart; and S3's own https forms of the same.

Nothing but S3 is ever asked: an https address of anything else is refused here.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from mme.core.errors import InvalidRequest

SCHEME = "s3://"
SHOWN_CHARS = 200
MAX_KEY_BYTES = 1024
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,254}", re.ASCII)
"""Wider than the rules for new buckets: old ones and access points have other names."""
_PATH_STYLE = re.compile(r"s3[.-][a-z0-9.-]*amazonaws\.com(\.cn)?|s3\.amazonaws\.com", re.ASCII)
_HOST_STYLE = re.compile(r"(?P<bucket>.+?)\.s3([.-][a-z0-9-]+)*\.amazonaws\.com(\.cn)?", re.ASCII)


class ObjectPlace(NamedTuple):
    """A bucket and a key in it; the key of a prefix may be empty."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """As `s3://bucket/key`."""
        return f"{SCHEME}{self.bucket}/{self.key}"


def place_of(uri: str) -> ObjectPlace:
    """The place of `s3://bucket/key`. Raises InvalidRequest for what is no such address."""
    if not uri.startswith(SCHEME):
        raise InvalidRequest(f"{uri[:SHOWN_CHARS]!r} is not the address of an object: s3://…")
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    if not BUCKET.fullmatch(bucket):
        raise InvalidRequest(f"{uri[:SHOWN_CHARS]!r} names no bucket: s3://bucket/key is wanted")
    if len(key.encode("utf-8", "surrogateescape")) > MAX_KEY_BYTES:
        raise InvalidRequest(
            f"The key of {uri[:SHOWN_CHARS]!r} is longer than the {MAX_KEY_BYTES} bytes of S3"
        )
    return ObjectPlace(bucket, key)


def key_place_of(uri: str) -> ObjectPlace:
    """As `place_of`, of what must be an object and no prefix."""
    place = place_of(uri)
    if not place.key or place.key.endswith("/"):
        raise InvalidRequest(f"{uri[:SHOWN_CHARS]!r} names no object: s3://bucket/key is wanted")
    return place


def place_of_https(url: str, endpoint_url: str) -> ObjectPlace:
    """The place of an object that is named by an https address.

    S3's own two forms are known, and addresses below `endpoint_url`, where S3 is for this process.
    Raises InvalidRequest for any other address, and for one with a query: what it would change,
    nobody would see.
    """
    shown = repr(url[:SHOWN_CHARS])
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        own = urlsplit(endpoint_url)
        is_own = (host, parts.port) == ((own.hostname or "").lower(), own.port)
        is_default = parts.port in (None, 443)
    except ValueError as error:
        raise InvalidRequest(f"{shown} is no address: {error}") from None
    if parts.query or parts.fragment or parts.username is not None:
        raise InvalidRequest(f"{shown} has more than a place in S3: write s3://bucket/key")
    path = unquote(parts.path, errors="surrogateescape").removeprefix("/")
    if is_own:
        base = unquote(own.path).strip("/")
        below = path.removeprefix(f"{base}/") if base else path
        if not base or below != path:
            return key_place_of(SCHEME + below)
    elif is_default and _PATH_STYLE.fullmatch(host):
        return key_place_of(SCHEME + path)
    elif is_default and (found := _HOST_STYLE.fullmatch(host)):
        return key_place_of(f"{SCHEME}{found['bucket']}/{path}")
    raise InvalidRequest(f"{shown} is not in S3: nothing else is fetched; write s3://bucket/key")
