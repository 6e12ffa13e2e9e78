"""Which port answers what, where management has a port of its own.

Invocations, what became of them, and health are for callers; all else is for operators: models,
control plane, metrics, events, logs, the page. A route nobody has thought of here is for operators.
The management port answers all, so that whoever is let in there can try a model on the page. What
is not at the public port is answered there by where it is, in the words of settings and not of
addresses, for whoever asks may be anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.gateway.routing import NoSuchPath

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

HEALTH = frozenset({"/ping", "/livez", "/readyz", "/v2", "/v2/health/live", "/v2/health/ready"})
CALLERS = ("/endpoints/", "/invocations", "/v2/models/")
OPERATORS = ("/async-metrics", "/stats")
"""The ends of paths below those, of numbers and not of a caller's requests."""
SHOWN_CHARS = 200


class OnOtherPort(NoSuchPath):
    """What this path is answered by listens elsewhere."""

    def __init__(self, path: str, place: str) -> None:
        EndpointError.__init__(self, f"{path[:SHOWN_CHARS]} is answered at {place}, not here")


def is_for_callers(path: str) -> bool:
    """Whether a route's path is on the public port though management has another."""
    return path in HEALTH or (path.startswith(CALLERS) and not path.endswith(OPERATORS))


def public_only(routes: Iterable[Route], place: str) -> list[Route]:
    """The routes of a public port where operators are answered at `place`."""

    async def elsewhere(call: Call) -> NoReturn:
        raise OnOtherPort(call.request.raw_path.partition("?")[0], place)

    return [
        (method, path, handler if is_for_callers(path) else elsewhere)
        for method, path, handler in routes
    ]
