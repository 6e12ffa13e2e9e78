"""A caller: its name, and what it may do where.

Scopes are what kinds of requests there are; which request has which is up to the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mme.access.refusals import Denied, Expired

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_CHARS = 100


class Scope(StrEnum):
    """What a request wants."""

    INVOKE = "invoke"
    """A model's answer."""
    MANAGE = "manage"
    """A change of the endpoint."""
    READ = "read"
    """To see the endpoint."""


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever has one token, or one access key."""

    name: str
    scopes: frozenset[Scope]
    targets: tuple[str, ...] = ()
    """Patterns of target models, with * and ?; empty: any."""
    endpoints: tuple[str, ...] = ()
    """Patterns of endpoints' names; empty: any."""
    expires_at: float | None = None
    """By the wall clock."""

    def check_time(self, now_at: float) -> None:
        """Raise Expired."""
        if self.expires_at is not None and now_at >= self.expires_at:
            raise Expired(f"The credentials of {self.name!r} have expired")

    def check(self, scope: Scope, endpoint: str | None, target: str | None) -> None:
        """Raise Denied unless the caller may have this scope on what the request names.

        One that is restricted to some endpoints, or targets, must name one of them: it may do
        nothing that is about all.
        """
        if scope not in self.scopes:
            had = ", ".join(sorted(self.scopes))
            raise Denied(f"{self.name!r} may not {scope}: its scopes are {had}", scope)
        if self.endpoints:
            self._check_one("endpoint", self.endpoints, endpoint)
        if self.targets:
            self._check_one("target model", self.targets, target)

    def _check_one(self, kind: str, patterns: Sequence[str], named: str | None) -> None:
        if named and any(fnmatchcase(named, pattern) for pattern in patterns):
            return
        what = f"the {kind} {named[:SHOWN_CHARS]!r}" if named else f"what names no {kind}"
        raise Denied(f"{self.name!r} may not use {what}: it is for {', '.join(patterns)}")
