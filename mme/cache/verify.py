"""Reading all artifacts through once, in the background: a disk may forget what it was given.

Takes a tenth of the time of one thread at most, so that loads have the disk for themselves. Leaves
changes that the file system tells of to `seal.is_intact`, which is asked before each load.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from mme.cache.seal import content_steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mme.cache.folders import Folders
    from mme.cache.index import Index
    from mme.cache.threads import Run

STEP = 100
IDLE_TIMES = 9
"""How much longer it rests than it reads."""


async def verify(folders: Folders, index: Index, run: Run, damaged: Callable[[str], None]) -> None:
    """Go through all artifacts; tell `damaged` the names of those that are not what they were."""
    last = ""
    while names := index.names_after(last, STEP):
        last = names[-1]
        for name in names:
            entry = index.get(name)
            if entry is None or entry.seal is None:
                continue
            found = await _content(folders.artifacts / name, run)
            # It may have gone, or come anew, meanwhile.
            if found is not None and found != entry.seal.content and index.get(name) == entry:
                damaged(name)


async def _content(folder: Path, run: Run) -> str | None:
    """The sum of an artifact's contents; None if it is not there, or not whole."""
    steps = content_steps(folder)

    def read() -> str | None:
        try:
            return next(steps)
        except FileNotFoundError:
            return None
        except OSError:
            return "unreadable"

    found: str | None = ""
    while found == "":
        began_s = time.monotonic()
        found = await run(read)
        await asyncio.sleep(IDLE_TIMES * (time.monotonic() - began_s))
    return found
