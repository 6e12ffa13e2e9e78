"""Where the artifacts of a created model are: in S3, and nowhere else.

A request may name any place, so nothing of this machine can be one.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from mme.core.errors import InvalidRequest
from mme.core.names import check_target

HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9])\.)?"
    r"s3(?:[.\-](?:dualstack\.)?[a-z0-9\-]{1,30})?\.amazonaws\.com(?:\.cn)?",
    re.ASCII,
)
BUCKET = re.compile(r"[a-z0-9][a-zA-Z0-9.\-_]{1,253}", re.ASCII)


def s3_uri(url: str) -> str:
    """`s3://bucket/key` for a ModelDataUrl, S3's https forms too; else InvalidRequest.

    The key may be empty or end in a slash; joined with a target it is another key of the bucket.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "https":
        host, _, path = rest.partition("/")
        found = HOST.fullmatch(host)
        if found is None:
            raise InvalidRequest(f"ModelDataUrl {url[:200]!r} is not an address of S3")
        path = unquote(path)
        rest = f"{found['bucket']}/{path}" if found["bucket"] else path
    elif scheme != "s3":
        raise InvalidRequest(f"ModelDataUrl {url[:200]!r} must begin with s3://")
    bucket, _, key = rest.partition("/")
    if not BUCKET.fullmatch(bucket):
        raise InvalidRequest(f"ModelDataUrl {url[:200]!r} names no bucket of S3")
    whole = key.removesuffix("/")
    if whole:
        check_target(whole)
    elif key:
        raise InvalidRequest(f"ModelDataUrl {url[:200]!r} has an empty part")
    return f"s3://{bucket}/{key}"
