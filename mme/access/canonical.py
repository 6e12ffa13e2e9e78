"""The canonical form of a request, as AWS's signature version 4 has it.

Made of what was sent, so that both sides sign the same text: method, path, query, the headers that
are signed, the digest of the body. What clients of AWS do where the specification leaves something
open is done here too: a path is encoded once more than it was sent, except for S3; a header's value
has single blanks.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from multidict import MultiMapping

UNRESERVED = "-_.~"


class Head(NamedTuple):
    """A request without its body, as it came."""

    method: str
    target: str
    """Path and query; bytes that are no UTF-8 as surrogates."""
    headers: MultiMapping[str]


def canonical_request(head: Head, signed: Sequence[str], body_digest: str, service: str) -> bytes:
    """The text whose digest is signed. `signed` are names in lower case, in order."""
    path, _, query = head.target.partition("?")
    lines = [head.method, _path(path, is_s3=service == "s3"), _query(query)]
    lines += [f"{name}:{_values(head.headers.getall(name, ()))}" for name in signed]
    lines += ["", ";".join(signed), body_digest]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def string_to_sign(moment: str, scope: str, request: bytes) -> bytes:
    """What is signed, of a `moment` as 20300131T120000Z and a `scope` as Claim has it."""
    digest = sha256(request).hexdigest()
    return f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}".encode("utf-8", "surrogateescape")


def _path(path: str, *, is_s3: bool) -> str:
    if is_s3:
        return quote(unquote_to_bytes(_bytes(path)), safe="/" + UNRESERVED) or "/"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    end = "/" if path.endswith("/") and parts else ""
    return quote(_bytes("/" + "/".join(parts) + end), safe="/" + UNRESERVED)


def _query(query: str) -> str:
    if not query:
        return ""
    pairs = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(_bytes(text)), safe=UNRESERVED)


def _values(values: Sequence[str]) -> str:
    return ",".join(" ".join(_as_meant(value).split()) for value in values)


def _as_meant(value: str) -> str:
    """UTF-8, or else Latin-1: so http.client sends what botocore has signed as UTF-8."""
    if value.isascii():
        return value
    raw = _bytes(value)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
