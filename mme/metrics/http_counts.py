"""How many HTTP requests there were, by the form of their path and the status of their answer.

Bounded: paths are counted by the route they take, and those that take none together. The event loop
owns it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from mme.core.durations import Durations

if TYPE_CHECKING:
    from collections.abc import Iterator

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
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class Answered(NamedTuple):
    """What is counted together."""

    method: str
    """ "": one that HTTP does not know."""
    form: str
    """As `/models/{target...}`; "": there is no such path."""
    status: int
    """499: the client did not wait for an answer."""


class HttpCounts:
    """All requests of one endpoint since its start."""

    def __init__(self) -> None:
        self._counts: Counter[Answered] = Counter()
        self._durations: dict[tuple[str, str], Durations] = {}

    def ended(self, method: str, form: str, status: int, seconds: float) -> None:
        """A request is over."""
        if method not in METHODS:
            method = ""
        self._counts[Answered(method, form, status)] += 1
        route = (method, form)
        durations = self._durations.get(route)
        if durations is None:
            durations = self._durations[route] = Durations()
        durations.add(seconds)

    def counts(self) -> Iterator[tuple[Answered, int]]:
        """How many of each there were."""
        yield from self._counts.items()

    def durations(self) -> Iterator[tuple[tuple[str, str], Durations]]:
        """How long they took, by method and form."""
        yield from self._durations.items()

    def invocations(self) -> Counter[int]:
        """How many invocations were answered with each class of statuses: 2, 4, 5."""
        found: Counter[int] = Counter()
        for answered, count in self._counts.items():
            if answered.form in INVOCATIONS and answered.status != CLIENT_GONE:
                found[answered.status // 100] += count
        return found
