"""Where the artifacts of a created model are: in S3, and nowhere else.

A request may name any place, so nothing of this machine can be one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mme.core.errors import InvalidRequest
from mme.core.names import check_target
from mme.endpoints.containers import Container

if TYPE_CHECKING:
    from collections.abc import Mapping

SINGLE, MULTI = "SingleModel", "MultiModel"
HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9])\.)?"
    r"s3(?:[.\-](?:dualstack\.)?[a-z0-9\-]{1,30})?\.amazonaws\.com(?:\.cn)?",
    re.ASCII,
)
BUCKET = re.compile(r"[a-z0-9][a-zA-Z0-9.\-_]{1,253}", re.ASCII)
SHOWN_CHARS = 200


def container_of(container: Mapping[str, Any], name: str = "") -> Container:
    """What a container names. Raises InvalidRequest for what cannot be served here.

    In the URI the name of a bucket always ends.
    """
    for member in ("AdditionalModelDataSources", "ModelPackageName"):
        if container.get(member):
            raise InvalidRequest(f"{member} is not served here: name an archive in ModelDataUrl")
    uri = s3_uri(_url_in(container))
    is_multi = container.get("Mode", SINGLE) == MULTI
    if not is_multi and uri.endswith("/"):
        raise InvalidRequest(f"{uri} is no archive: Mode={SINGLE} needs one, Mode={MULTI} a prefix")
    return Container(name, uri, is_multi, container.get("Image", ""))


def s3_uri(url: str) -> str:
    """`s3://bucket/key` for an address in S3, its https forms too; else InvalidRequest.

    The key may be empty or end in a slash; joined with a target it is another key of the bucket.
    """
    shown = repr(url[:SHOWN_CHARS])
    scheme, _, rest = url.partition("://")
    if scheme == "https":
        host, _, path = rest.partition("/")
        found = HOST.fullmatch(host)
        if found is None:
            raise InvalidRequest(f"{shown} is not an address in S3")
        path = unquote(path)
        rest = f"{found['bucket']}/{path}" if found["bucket"] else path
    elif scheme != "s3":
        raise InvalidRequest(f"{shown} is not an address in S3: it must begin with s3://")
    bucket, _, key = rest.partition("/")
    if not BUCKET.fullmatch(bucket):
        raise InvalidRequest(f"{shown} names no bucket of S3")
    if key:
        check_target(key.removesuffix("/"))
    return f"s3://{bucket}/{key}"


def _url_in(container: Mapping[str, Any]) -> str:
    source = container.get("ModelDataSource")
    if source is None:
        url: str = container.get("ModelDataUrl", "")
        if not url:
            raise InvalidRequest("ModelDataUrl is missing: it names where the artifacts are in S3")
        return url
    if "ModelDataUrl" in container:
        raise InvalidRequest("Name either ModelDataUrl or ModelDataSource")
    place = source.get("S3DataSource", {})
    if (place.get("S3DataType"), place.get("CompressionType")) != ("S3Object", "Gzip"):
        raise InvalidRequest(
            "Of ModelDataSource one archive is served here: S3DataType S3Object, CompressionType"
            " Gzip; for several models name their prefix in ModelDataUrl with Mode=MultiModel"
        )
    if container.get("Mode", SINGLE) == MULTI:
        raise InvalidRequest("ModelDataSource cannot be used with Mode=MultiModel")
    return str(place["S3Uri"])
