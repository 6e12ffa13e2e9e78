"""Which web pages may reach the endpoint through their reader's browser: none of other sites.

A browser sends requests wherever a page tells it to, to this machine and its network too. Two
things it always says truthfully: `Host`, the name the page asked for, and `Origin`, the page's own
site. A page that is given an address of this machine under a name of its own (DNS rebinding) shows
by its `Host`. For that it needs a name that public DNS knows, which has a dot. So names without
one, as in a compose file, addresses, and names under suffixes that public DNS never delegates are
let through; others only if they are this machine's, or are listed.

A page of another site that asks blindly shows by its `Origin`; only management needs to look, for
an invocation needs a header that no page can send without asking first.
"""

from __future__ import annotations

import ipaddress
import socket
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from aiohttp import hdrs

from mme.core.errors import EndpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".svc")
"""Local names, multicast DNS, private networks, home networks, Kubernetes's services."""
SHOWN_CHARS = 100
JSON_TYPE = "application/json"


class Forbidden(EndpointError):
    """A request that a web page of another site may have caused."""


class NoJson(EndpointError):
    """A body of a type that a form of any web page could send."""

    def __init__(self, content_type: str | None) -> None:
        super().__init__(
            f"The body has the Content-Type {(content_type or '')[:SHOWN_CHARS]!r};"
            f" send JSON with the header Content-Type: {JSON_TYPE}"
        )


class Sites:
    """The names this endpoint goes by."""

    def __init__(self, listens_on: str, listed: Iterable[str]) -> None:
        self._own = {listens_on.lower(), socket.gethostname().lower()}
        self._listed = tuple(pattern.lower() for pattern in listed)
        self._last: str | None = None
        """The last that was let through, since nearly all requests have the same."""

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Raise Forbidden for a name that is not this endpoint's."""
        host = headers.get(hdrs.HOST)
        if host is None or host == self._last:
            return  # browsers always name one
        if not self._is_ours(_name_in(host)):
            raise Forbidden(
                f"The endpoint does not go by the name {host[:SHOWN_CHARS]!r}: list it in"
                " MME_ALLOWED_HOSTS (comma list with *) if it should"
            )
        self._last = host

    def _is_ours(self, name: str) -> bool:
        return (
            "." not in name
            or _is_address(name)
            or name in self._own
            or name.endswith(PRIVATE_SUFFIXES)
            or any(fnmatchcase(name, pattern) for pattern in self._listed)
        )


def check_origin(headers: Mapping[str, str]) -> None:
    """Raise Forbidden if a page of another site asks."""
    origin = headers.get(hdrs.ORIGIN)
    if origin is None:
        return
    _, _, site = origin.partition("://")
    if not site or site.lower() != headers.get(hdrs.HOST, "").lower():
        raise Forbidden(
            f"Pages of another site ({origin[:SHOWN_CHARS]!r}) may not manage this endpoint"
        )


def check_json(headers: Mapping[str, str]) -> None:
    """Raise NoJson unless the body is said to be JSON, which no form can say."""
    content_type = headers.get(hdrs.CONTENT_TYPE)
    if content_type is None or content_type.partition(";")[0].strip().lower() != JSON_TYPE:
        raise NoJson(content_type)


def _name_in(host: str) -> str:
    """The name in `name:port`, `[address]:port`, `name.` or `name`."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
