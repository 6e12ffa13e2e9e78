"""How blocking work is run beside the event loop: given to the cache by whoever has threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Result = TypeVar("Result")


class Run(Protocol):
    """As `asyncio.to_thread`, for work without arguments."""

    def __call__(self, work: Callable[[], Result], /) -> Awaitable[Result]:
        """Do the work in a thread."""
