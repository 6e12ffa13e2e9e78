"""What of Triton's extensions is not there: each call is refused by the name of its extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from mme.core.errors import InvalidRequest
from mme.gateway.open_inference.inference import FAILURE, TAG
from mme.gateway.open_inference.names import ROOT
from mme.gateway.openapi import described
from mme.gateway.routing import NoSuchPath

if TYPE_CHECKING:
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

ABSENT = {
    "systemsharedmemory": "shared memory",
    "cudasharedmemory": "CUDA shared memory",
    "trace": "trace settings",
    "logging": "log settings",
}
"""First part of a path below /v2 -> what of Triton's extensions would be there."""


class NotThere(InvalidRequest):
    """A call of an extension that this endpoint has not."""

    def __init__(self, what: str) -> None:
        super().__init__(f"This endpoint has no {what}; GET /v2 names the extensions it has")


class Absent:
    """Handlers of the routes, which are to come last: they take whatever path is left."""

    def routes(self) -> list[Route]:
        """Every path of the protocol that nothing else answers."""
        return [
            ("GET", "/v2/models/{target...}/trace/setting", self.trace),
            ("POST", "/v2/models/{target...}/trace/setting", self.change_trace),
            ("GET", "/v2/{call...}", self.look),
            ("POST", "/v2/{call...}", self.change),
        ]

    @described(failure=FAILURE, tag=TAG)
    async def trace(self, _: Call) -> NoReturn:
        """Refused: models have no trace settings."""
        raise NotThere(ABSENT["trace"])

    @described(failure=FAILURE, tag=TAG)
    async def change_trace(self, _: Call) -> NoReturn:
        """Refused: models have no trace settings."""
        raise NotThere(ABSENT["trace"])

    @described(failure=FAILURE, tag=TAG)
    async def look(self, call: Call) -> NoReturn:
        """Refused: shared memory, trace and log settings, and whatever is not known."""
        _refuse(call)

    @described(failure=FAILURE, tag=TAG)
    async def change(self, call: Call) -> NoReturn:
        """Refused: shared memory, trace and log settings, and whatever is not known."""
        _refuse(call)


def _refuse(call: Call) -> NoReturn:
    what = ABSENT.get(call.name.partition("/")[0])
    raise NoSuchPath(f"{ROOT}/{call.name}") if what is None else NotThere(what)
