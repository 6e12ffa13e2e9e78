"""How many HTTP requests there were, by the form of their path and the status of their answer.

Bounded: paths are counted by the route they take, and those that take none together. The event loop
owns it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

INVOCATIONS = frozenset(
    {
        "/invocations",
        "/endpoints/{endpoint}/invocations",
        "/endpoints/{endpoint}/invocations-response-stream",
        "/models/{name}/invoke",
    }
)
"""Forms of the paths that ask a model and wait for its answer."""
CLIENT_GONE = 499
GRPC = "gRPC"
"""In place of a method: the request came as a call of gRPC's."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", GRPC})


@dataclass(slots=True)
class Answered:
    """Requests that are counted together."""

    method: str
    """ "": one that HTTP does not know."""
    form: str
    """As `/models/{target...}`; "": there is no such path."""
    status: int
    """499: the client did not wait for an answer."""
    count: int = 0
    seconds: float = 0.0
    """All of them together."""


class HttpCounts:
    """All requests of one endpoint since its start."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], Answered] = {}
        self.on_begin: Callable[[Mapping[str, str], str], None] | None = None
        """Is told of each request that begins: its headers and its id."""

    def ended(self, method: str, form: str, status: int, seconds: float) -> None:
        """A request is over."""
        known = self._counts.get((method, form, status))
        if known is None:
            key = (method if method in METHODS else "", form, status)
            known = self._counts.setdefault(key, Answered(*key))
        known.count += 1
        known.seconds += seconds

    def counts(self) -> Collection[Answered]:
        """How many of each there are; not to be changed."""
        return self._counts.values()

    def invocations(self) -> Counter[int]:
        """How many invocations were answered with each class of statuses: 2, 4, 5."""
        found: Counter[int] = Counter()
        for each in self.counts():
            if each.form in INVOCATIONS and each.status != CLIENT_GONE:
                found[each.status // 100] += each.count
        return found
