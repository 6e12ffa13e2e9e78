"""The control plane of a standalone endpoint: its state, and how it sees whether S3 answers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mme.endpoints.control_plane import ControlPlane

if TYPE_CHECKING:
    from mme.cache.threads import Run
    from mme.core.database import Database
    from mme.store.by_uri import StoresByUri

log = logging.getLogger(__name__)

SHOWN = 10
REACH_S = 20.0
"""How long S3 may take to answer for the models of an endpoint that is made."""


async def open_control_plane(database: Database, stores: StoresByUri, run: Run) -> ControlPlane:
    """The control plane whose state is in `database`."""

    async def reach(uri: str, is_prefix: bool) -> str:
        try:
            async with asyncio.timeout(REACH_S):
                return await run(lambda: stores.why_unreachable(uri, is_prefix=is_prefix))
        except TimeoutError:
            return f"{uri} was not answered for within {REACH_S:g} s"

    plane = await ControlPlane.open(database, reach)
    names = plane.names()
    if names:
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        log.info("%d endpoints were created before: %s", len(names), shown)
    return plane
