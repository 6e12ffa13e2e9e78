"""How often the background work of the workers is done, and doing it again and again."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the background work is done."""

    step_s: float = 0.025
    """Looking whether workers should come or go."""
    look_s: float = 0.25
    """Looking after requests and workers."""
    pressure_s: float = 0.5
    """Looking at memory and tasks."""


USUAL = Rhythm()


async def repeated(every_s: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do `step` again and again. One that fails, as where no file can be opened, is not the last.

    Of failures in a row the first is logged.
    """
    has_failed = False
    while True:
        try:
            await step()
        except Exception:
            if not has_failed:
                log.exception("background work failed; it is tried again")
            has_failed = True
        else:
            has_failed = False
        await asyncio.sleep(every_s)
