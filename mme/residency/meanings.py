"""What aliases meant last, kept on this disk beside the artifacts.

After a restart an alias goes on with the version that served, also where its file says another one
by now that is refused, or the store does not answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING

from mme.core.background import BackgroundTasks

if TYPE_CHECKING:
    from pathlib import Path

    from mme.cache.threads import Run

log = logging.getLogger(__name__)

FILE = "aliases.json"
MOST = 20_000
MOST_BYTES = 64 * 1024 * 1024
PAUSE_S = 1.0
"""Between two writes."""


class Meanings:
    """Alias -> artifact, of one store. The event loop owns it."""

    def __init__(self, path: Path, store_uri: str, run: Run) -> None:
        self._path = path
        self._store_uri = store_uri
        self._run = run
        self._background = BackgroundTasks()
        self._is_written = True
        self._writing: asyncio.Task[None] | None = None
        self._of = _read(path, store_uri)

    def of(self, alias: str) -> str | None:
        """What an alias meant last."""
        return self._of.get(alias)

    def note(self, alias: str, target: str | None) -> None:
        """An alias means an artifact now; None: it is none any more."""
        if self._of.get(alias) == target:
            return
        self._of.pop(alias, None)
        if target is not None:
            if len(self._of) >= MOST:
                del self._of[next(iter(self._of))]
            self._of[alias] = target
        self._is_written = False
        if self._writing is None or self._writing.done():
            self._writing = self._background.start(self._write_now_and_then())

    async def close(self) -> None:
        """Write what is not written yet."""
        await self._background.close()
        if not self._is_written:
            await self._write()

    async def _write_now_and_then(self) -> None:
        while not self._is_written:
            await self._write()
            await asyncio.sleep(PAUSE_S)

    async def _write(self) -> None:
        self._is_written = True
        content = json.dumps({"store": self._store_uri, "aliases": self._of}).encode()
        try:
            await self._run(lambda: _replace(self._path, content))
        except OSError as error:
            log.warning("what aliases mean cannot be kept: %s", error)


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


def _read(path: Path, store_uri: str) -> dict[str, str]:
    """What was kept for this store; nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(MOST_BYTES))
        if said["store"] != store_uri:
            return {}
        return {str(alias): str(target) for alias, target in said["aliases"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("what aliases meant is lost: %s", error)
        return {}
