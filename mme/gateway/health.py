"""Two questions about health, as orchestrators ask them: is it alive, can it answer now.

`/livez` is answered as long as the process answers anything, so that it is ended only if it hangs.
`/readyz` is answered 503, with the reasons, while invocations would have to wait or fail; an
endpoint whose workers rest is ready, since a request wakes them. `/ping`, which a platform asks, is
each surface's own. Anybody may ask, so the reasons hold no names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.gateway.errors import json_answer
from mme.gateway.openapi import Result, described
from mme.gateway.openapi.schemas import FLAG, TEXT, array_of, thing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from mme.gateway.exchange import Call
    from mme.gateway.routing import Route

READY_TIMEOUT_S = 0.9
NOT_READY = 503
HEALTH = "health"
READY = thing({"ready": FLAG, "reasons": array_of(TEXT)}, "reasons")
UNKNOWN = "the model server does not answer"


class Health:
    """Handlers of the routes."""

    def __init__(
        self, missing: Callable[[], str], is_ready: Callable[[float], Awaitable[bool]]
    ) -> None:
        """`missing`: why requests cannot be answered, if that is known; `is_ready` tries, in s."""
        self._missing = missing
        self._is_ready = is_ready

    def routes(self) -> list[Route]:
        """The routes of this surface."""
        return [("GET", "/livez", self.livez), ("GET", "/readyz", self.readyz)]

    @described(Result("It lives.", thing({"alive": FLAG})), tag=HEALTH)
    async def livez(self, _: Call) -> web.Response:
        """The process answers."""
        return json_answer({"alive": True})

    @described(
        Result("Requests are answered.", READY),
        Result("They are not.", READY, status=NOT_READY),
        tag=HEALTH,
    )
    async def readyz(self, _: Call) -> web.Response:
        """Whether requests can be answered now, and why not."""
        reason = self._missing()
        if not reason and not await self._is_ready(READY_TIMEOUT_S):
            reason = self._missing() or UNKNOWN
        if reason:
            return json_answer({"ready": False, "reasons": [reason]}, NOT_READY)
        return json_answer({"ready": True})
