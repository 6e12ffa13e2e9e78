"""Which model a path of the protocol means.

Models are called as everywhere here: by their target, slashes and `.tar.gz` included, or by an
alias. One version of a model is there at a time, which the protocol's numbers have as 1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError, NotLoaded
from mme.gateway.sites import Forbidden, check_origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.gateway.exchange import Call

ROOT = "/v2"
MODELS = ("/v2/models/", "/v2/repository/models/")
"""How paths begin that name a model."""
VERSION = "1"
VERSIONED = re.compile("(?P<target>.+)/versions/(?P<version>[0-9]{1,19})", re.ASCII | re.DOTALL)
FETCHED_FROM = "Sec-Fetch-Site"


class NoSuchVersion(NotLoaded):
    """A version beside the one there is."""

    def __init__(self, target: str, version: str) -> None:
        EndpointError.__init__(
            self,
            f"Model {target!r} has no version {version}: the one that serves is {VERSION}, and"
            " others are artifacts with names of their own",
        )
        self.target = target


def is_ours(path: str) -> bool:
    """Whether a path is of the protocol."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def divided(name: str) -> tuple[str, str]:
    """The target and the version in the name that a path has; VERSION where it has none."""
    found = VERSIONED.fullmatch(name)
    return (name, VERSION) if found is None else (found["target"], found["version"])


def target_in(call: Call) -> str:
    """The target that a call names. Raises NoSuchVersion, Forbidden."""
    check_site(call.request.headers)
    target, version = divided(call.name)
    if version.lstrip("0") != VERSION:
        raise NoSuchVersion(target, version)
    return target


def check_site(headers: Mapping[str, str]) -> None:
    """Raise Forbidden if a page of another site asks: these calls need no header that it has not.

    A browser names the page's site in Origin, or says at least that it is another.
    """
    check_origin(headers)
    if headers.get(FETCHED_FROM) == "cross-site":
        raise Forbidden("Pages of another site may not use this endpoint")
