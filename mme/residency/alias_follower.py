"""Aliases as a store's files have them: read when asked for, followed while they are in use.

A request that names an alias goes to the artifact it means. When the file says something else, the
new artifact is brought in and tried first, and only then does the alias mean it; a refused one
changes nothing. Decisions are in `aliases.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from mme.core.background import BackgroundTasks
from mme.core.errors import (
    ArtifactRejected,
    EndpointError,
    ModelFailed,
    TargetNotFound,
)
from mme.residency.aliases import AliasTable, Refusal
from mme.store.alias_file import FILE
from mme.store.alias_shelf import read_aliases

if TYPE_CHECKING:
    from mme.cache.threads import Run
    from mme.core.settings import Settings
    from mme.residency.aliases import Alias, Folder
    from mme.residency.residency import Residency
    from mme.store import Store

log = logging.getLogger(__name__)

LEAST_PERIOD_S = 0.1
IDLE_S = 600.0
"""A folder no alias of which was asked for is not looked at any more until one is."""
AGAIN_S = {ArtifactRejected: float("inf"), TargetNotFound: float("inf"), ModelFailed: 600.0}
"""After which an artifact that was refused for it, and has not changed, is tried again."""
SIDE_BY_SIDE = 2
"""So many new versions are tried at a time: requests need the workers."""


class AliasFollower:
    """The aliases of one endpoint. All methods run on the event loop that made it."""

    def __init__(self, settings: Settings, store: Store, run: Run, residency: Residency) -> None:
        self.table = AliasTable()
        self._period_s = max(settings.store_check_s, LEAST_PERIOD_S)
        self._unknown_s = settings.failure_memory_s
        self._store = store
        self._run = run
        self._residency = residency
        self._background = BackgroundTasks()
        self._reads: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None
        self._switching: set[str] = set()
        self._slots = asyncio.Semaphore(SIDE_BY_SIDE)

    async def resolve(self, target: str) -> str:
        """The artifact that an alias means; a target that is none stays as it is."""
        meant = self.table.meaning(target)
        if meant is not None:
            return meant
        if self._residency.table.current(target) is not None:
            return target
        folder = self.table.folder_of(target)
        if time.monotonic() - folder.checked_at_s >= self._unknown_s:
            await self._read(folder)
        alias = self.table.get(target) or self.table.learn(target)
        if alias is None:
            return target
        if self._loop is None:
            self._loop = self._background.start(self._keep_following())
        return alias.target

    def not_found(self, target: str, error: TargetNotFound) -> TargetNotFound:
        """The error for a target that is neither an alias nor an artifact, or an alias of none."""
        folder = self.table.folder_of(target)
        aliases = folder.aliases
        place = folder.name + FILE if "://" in folder.name else f"<store>/{folder.name}{FILE}"
        alias = self.table.get(target)
        if alias is not None:
            reason = f"which the alias {target!r} means by {place}; there is no such object"
            return TargetNotFound(alias.target, error.tried, reason)
        if aliases.error is not None:
            reason = f"{place} cannot be used: {aliases.error.reason}"
        elif aliases.version is None:
            reason = f"there is no such object, and no {place} that would make it an alias"
        else:
            reason = f"there is no such object, and {place} has no such alias"
        return TargetNotFound(target, error.tried, reason)

    async def close(self) -> None:
        """End what runs in the background."""
        await self._background.close()

    async def _keep_following(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            for folder in self.table.folders(time.monotonic(), IDLE_S):
                await self._read(folder)

    async def _read(self, folder: Folder) -> None:
        """Read a folder's file, once for all that wait; what fails is for the log."""
        task = self._reads.get(folder.name)
        if task is None:
            task = self._background.start(self._read_alone(folder))
            self._reads[folder.name] = task
            task.add_done_callback(lambda _: self._reads.pop(folder.name, None))
        await asyncio.wait({task})

    async def _read_alone(self, folder: Folder) -> None:
        before = folder.aliases
        try:
            read = await self._run(lambda: read_aliases(self._store, folder.name, before))
        except EndpointError as error:
            log.debug("cannot look for aliases: %s", error.message)
            return
        finally:
            folder.checked_at_s = time.monotonic()
        if read.version != before.version:
            if read.error is not None:
                log.warning("%s; aliases stay as they were", read.error.message)
            elif read.version is None:
                log.warning("%s%s is gone; aliases stay as they were", folder.name, FILE)
        for alias in self.table.read(folder, read):
            if alias.name not in self._switching:
                self._switching.add(alias.name)
                self._background.start(self._switch(alias))

    async def _switch(self, alias: Alias) -> None:
        try:
            async with self._slots:
                while (wanted := alias.wanted) != alias.target:
                    if not await self._try(alias, wanted) and alias.wanted == wanted:
                        return
        finally:
            self._switching.discard(alias.name)

    async def _try(self, alias: Alias, wanted: str) -> bool:
        """Have an alias mean another artifact if that is fit to serve."""
        version = ""
        try:
            version = (await self._run(lambda: self._store.find(wanted))).version
            if self._is_refused_still(alias, wanted, version):
                return False
            await self._residency.load(wanted)
        except EndpointError as error:
            self._refuse(alias, wanted, version, error)
            return False
        former = alias.target
        if self.table.switch(alias, wanted):
            log.info("%s means %s now, not %s", alias.name, wanted, former)
        return True

    def _is_refused_still(self, alias: Alias, wanted: str, version: str) -> bool:
        refusal = alias.refusal
        return (
            refusal is not None
            and (refusal.target, refusal.version) == (wanted, version)
            and time.monotonic() < refusal.again_at_s
        )

    def _refuse(self, alias: Alias, wanted: str, version: str, error: EndpointError) -> None:
        again_at_s = time.monotonic() + next(
            (wait_s for kind, wait_s in AGAIN_S.items() if isinstance(error, kind)), 0.0
        )
        former = alias.refusal
        alias.refusal = Refusal(wanted, version, error.message, again_at_s)
        if former is None or (former.target, former.reason) != (wanted, error.message):
            log.warning("%s goes on meaning %s: %s", alias.name, alias.target, error.message)
