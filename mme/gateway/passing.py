"""An answer that may come in pieces, which are then passed on while the model computes the rest.

Most answers come whole: for those nothing is started. With the first piece a task of its own begins
to write; how the pieces look is for the surfaces.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from mme.core.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    Write = Callable[[Parts], Coroutine[Any, Any, None]]


class Passing:
    """One answer. `parts` goes with the request; leaving the block ends the writing."""

    def __init__(self, write: Write) -> None:
        """`write` is run with the parts, from the first piece to the last."""
        self.parts = Parts(self._begin)
        self._write = write
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.parts.close()
        writing = self._writing
        if writing is not None:
            writing.cancel()
            await asyncio.wait({writing})
            if not writing.cancelled():
                writing.exception()  # seen, though nobody may have waited for it

    async def written(self) -> bool:
        """Whether pieces have come; returns when all are passed on. Raises what `write` raises.

        To be asked when the request has been answered, or has failed: no more pieces come.
        """
        self.parts.end()
        if self._writing is None:
            return False
        await self._writing
        return True

    def _begin(self) -> None:
        self._writing = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._write(self.parts)
        finally:
            self.parts.close()  # where writing failed, the model need not wait for a reader
