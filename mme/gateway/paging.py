"""Pages of a list: how long one may be, and the token that says where the next one begins.

The token is the name the page before ended with, so models that come or go in between neither
repeat nor hide others. Tokens are given out as base64 where names may hold anything.
"""

from __future__ import annotations

import base64
import binascii

from mme.core.errors import InvalidRequest

DEFAULT_LIMIT, MOST = 100, 1000
SHOWN_CHARS = 40


def limit_of(text: str | None) -> int:
    """The length of a page a caller wants. Raises InvalidRequest."""
    if text is None:
        return DEFAULT_LIMIT
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MOST))
    if not is_number or not 1 <= int(text) <= MOST:
        raise InvalidRequest(f"limit={text[:SHOWN_CHARS]!r} is not a number from 1 to {MOST}")
    return int(text)


def token_of(name: str) -> str:
    """The token of a page that ends with `name`."""
    return base64.urlsafe_b64encode(name.encode("utf-8")).decode("ascii")


def name_in(token: str | None) -> str:
    """The name a page before ended with; empty for the first page. Raises InvalidRequest."""
    if token is None:
        return ""
    try:
        return base64.b64decode(token.encode("ascii"), b"-_", validate=True).decode("utf-8")
    except (UnicodeError, binascii.Error):
        shown = token[:SHOWN_CHARS]
        raise InvalidRequest(f"next_page_token={shown!r} was not given out here") from None
