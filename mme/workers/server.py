"""The model server of the moment, and waiting for it while there is none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mme.mms import MmsServer


class CurrentServer:
    """Which model server workers are started in. The event loop owns it."""

    def __init__(self) -> None:
        self._up = asyncio.Event()
        self._server: MmsServer | None = None

    @property
    def now(self) -> MmsServer | None:
        """The model server, if one is up."""
        return self._server

    def attach(self, server: MmsServer) -> None:
        """Use this one, which has no workers yet."""
        self._server = server
        self._up.set()

    def detach(self) -> None:
        """It is gone, and every worker with it."""
        self._server = None
        self._up.clear()

    async def wait(self) -> MmsServer:
        """The model server, once there is one."""
        while True:
            await self._up.wait()
            if self._server is not None:
                return self._server

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether it answers within `timeout_s`; waits for one that is starting."""
        try:
            async with asyncio.timeout(timeout_s):
                server = await self.wait()
                return await server.client.ping(timeout_s)
        except TimeoutError:
            return False
