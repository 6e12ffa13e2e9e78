"""Aliases as a store's files have them: read when asked for, followed while they are in use.

A request that names an alias goes to the artifact it means. When the file says something else, the
new artifact is brought in and tried first, and only then does the alias mean it; a refused one
changes nothing. Decisions are in `aliases.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from mme.core.background import BackgroundTasks
from mme.core.errors import (
    EndpointError,
    TargetNotFound,
)
from mme.residency.aliases import AliasTable
from mme.residency.deployment import Deployment
from mme.residency.refusals import Refusals
from mme.residency.trial import tried
from mme.store.alias_file import FILE
from mme.store.alias_shelf import read_aliases

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.cache.threads import Run
    from mme.core.settings import Settings
    from mme.residency.aliases import Alias, Folder
    from mme.residency.residency import Residency
    from mme.residency.trial import Invoke
    from mme.store import Store

log = logging.getLogger(__name__)

LEAST_PERIOD_S = 0.1
IDLE_S = 600.0
"""A folder no alias of which was asked for is not looked at any more until one is."""
SIDE_BY_SIDE = 2
"""So many new versions are tried at a time: requests need the workers."""


class AliasFollower:
    """The aliases of one endpoint. All methods run on the event loop that made it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        run: Run,
        residency: Residency,
        *,
        ask: Invoke | None = None,
        last: Callable[[str], str | None] = lambda _: None,
        note: Callable[[str, str | None], None] = lambda *_: None,
    ) -> None:
        """`ask` invokes models that are tried, if the residency does not do so itself.

        `last` says what an alias meant before a restart; `note` is told what it means now.
        """
        self._last = last
        self._note = note
        self.table = AliasTable()
        self.refusals = Refusals()
        self._period_s = max(settings.store_check_s, LEAST_PERIOD_S)
        self._unknown_s = settings.failure_memory_s
        self._store = store
        self._run = run
        self._residency = residency
        self._ask = ask or residency.invoke
        self._events = residency.observed.events
        self._background = BackgroundTasks()
        self._reads: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None
        self._switching: set[str] = set()
        self._slots = asyncio.Semaphore(SIDE_BY_SIDE)
        self._deployment: Deployment | None = None
        if settings.deploy == "latest":
            self._deployment = Deployment(
                settings,
                store=store,
                run=run,
                residency=residency,
                ask=self._ask,
                table=self.table,
                refusals=self.refusals,
            )
            self.table.folder_of("").is_kept = True
            self._keep_on()

    async def resolve(self, target: str) -> str:
        """The artifact that an alias means; a target that is none stays as it is."""
        meant = self.table.meaning(target)
        if meant is not None:
            return meant
        if self._residency.table.current(target) is not None:
            return target
        folder = self.table.folder_of(target)
        now_s = time.monotonic()
        if now_s - folder.unknown_at_s >= self._unknown_s or folder.name in self._reads:
            folder.unknown_at_s = now_s
            await self._read(folder)
        alias = self._learnt(target)
        if alias is None and self._deployment is not None:
            await self._deployment.first(target)
            alias = self._learnt(target)
        if alias is None:
            self._note(target, None)
            return target
        self._keep_on()
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
        if self._deployment is not None:
            await self._deployment.close()
        await self._background.close()

    def _learnt(self, target: str) -> Alias | None:
        """An alias by its name, known from now on."""
        alias = self.table.get(target)
        if alias is None:
            alias = self.table.learn(target, self._last(target))
            if alias is not None:
                self._note(target, alias.target)
                self._start_switch(alias)
        return alias

    def _start_switch(self, alias: Alias) -> None:
        if alias.wanted != alias.target and alias.name not in self._switching:
            self._switching.add(alias.name)
            self._background.start(self._switch(alias))

    def _keep_on(self) -> None:
        if self._loop is None:
            self._loop = self._background.start(self._keep_following())

    async def _keep_following(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            for folder in self.table.folders(time.monotonic(), IDLE_S):
                await self._read(folder)
                if self._deployment is not None:
                    self._deployment.look(folder, partial(self._read, folder))

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
            self._start_switch(alias)

    async def _switch(self, alias: Alias) -> None:
        try:
            async with self._slots:
                while self.table.is_known(alias) and (wanted := alias.wanted) != alias.target:
                    if not await self._try(alias, wanted) and alias.wanted == wanted:
                        return
        finally:
            self._switching.discard(alias.name)

    async def _try(self, alias: Alias, wanted: str) -> bool:
        """Have an alias mean another artifact if that is fit to serve."""
        version = ""
        try:
            version = (await self._run(lambda: self._store.find(wanted))).version
            if self.refusals.is_refused(wanted, version, time.monotonic()):
                return False
            await tried(self._residency, wanted, self._run, self._ask)
        except EndpointError as error:
            if self.refusals.note(wanted, version, error, time.monotonic()):
                message = f"{alias.name} goes on meaning {alias.target}: {error.message}"
                self._events.note("alias_refused", wanted, message, level=logging.WARNING)
            return False
        self.refusals.forget(wanted)
        former = alias.target
        if self.table.switch(alias, wanted):
            self._note(alias.name, wanted)
            message = f"{alias.name} means {wanted} now, not {former}"
            self._events.note("alias_switched", wanted, message, alias=alias.name, former=former)
        return True
