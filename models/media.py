"""Media types: which one a request is in, and which one its answer should be in.

Reads the headers Content-Type and Accept (RFC 9110, sections 8.3 and 12.5.1). What is in a body of
a type is for `bodies`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.errors import NotAcceptable, UnsupportedContentType

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON = "application/json"
CSV = "text/csv"
PLAIN = "text/plain"

OFFERED = (JSON, CSV)
"""Every family answers in these; the first is the default."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case, `type/subtype`, and its parameters by lower-case name."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def content_type(header: str | None, understood: tuple[str, ...]) -> MediaType:
    """The request's media type; the first of `understood` if the header is missing or blank.

    Raises UnsupportedContentType.
    """
    if header is None or not header.strip():
        return MediaType(understood[0])
    found = _parse(header)
    if found.name not in understood:
        raise UnsupportedContentType(header, understood)
    return found


def answer_type(accept: str | None, offered: tuple[str, ...] = OFFERED) -> str:
    """The offered type the caller likes best; among equals the earlier offer.

    A range that cannot be read is passed over. Raises NotAcceptable.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_parse(part) for part in _split(accept, ",") if part.strip()]
    liked = [(_quality(offer, ranges), offer) for offer in offered]
    best, chosen = max(liked, key=lambda pair: pair[0])  # of equal ones max returns the first
    if best <= 0:
        raise NotAcceptable(accept, offered)
    return chosen


def _quality(offer: str, ranges: list[MediaType]) -> float:
    """How much an offer is liked: the q of the most specific range that covers it."""
    for pattern in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        found = [_q(item) for item in ranges if item.name == pattern]
        if found:
            return max(found)
    return 0.0


def _q(item: MediaType) -> float:
    try:
        quality = float(item.parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _parse(text: str) -> MediaType:
    name, *parameters = _split(text, ";")
    pairs = (part.partition("=") for part in parameters if "=" in part)
    return MediaType(
        name.strip().lower(),
        {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs},
    )


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside double quotes."""
    parts, start, quoted = [], 0, False
    for place, character in enumerate(text):
        quoted ^= character == '"'
        if character == separator and not quoted:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
