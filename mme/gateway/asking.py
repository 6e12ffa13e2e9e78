"""Asking a model for an answer in pieces, and what becomes of the request if its caller leaves."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from mme.core.parts import Parts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from mme.core.answer import Answer

    Ask = Callable[[Parts], Coroutine[Any, Any, Answer]]


@contextlib.asynccontextmanager
async def asked_in_parts(ask: Ask) -> AsyncIterator[tuple[Parts, asyncio.Task[Answer]]]:
    """The pieces of an answer as they come, and the task that ends with the rest of it.

    Whoever leaves the block has the request given up, if it is not answered yet.
    """
    parts = Parts()
    asking = asyncio.create_task(ask(parts))
    asking.add_done_callback(lambda _: parts.end())
    try:
        yield parts, asking
    finally:
        parts.close()
        asking.cancel()
        await asyncio.wait({asking})
        if not asking.cancelled():
            asking.exception()  # seen, though nobody may have waited for it
