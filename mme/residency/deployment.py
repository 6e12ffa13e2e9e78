"""`MME_DEPLOY=latest`: a new artifact of an alias is tried, and then it is what the alias means.

A folder with aliases in use is listed now and then. What was written down for an alias once is not
deployed again, so that a rollback lasts. An alias in a file is changed there, by compare-and-set,
so that all endpoints on the store agree; a name that no file has means its newest artifact here
only: a request shall not write to the store. Which artifact is the newest is `newest.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from mme.core.background import BackgroundTasks
from mme.core.errors import EndpointError
from mme.residency.newest import Candidate, candidates, names_in
from mme.residency.trial import SampleFailed, tried
from mme.store.alias_changes import NotAsExpected, entries_of, set_alias
from mme.store.alias_file import artifact_of, split

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mme.cache.threads import Run
    from mme.core.artifact import Admitted
    from mme.core.settings import Settings
    from mme.residency.aliases import AliasTable, Folder
    from mme.residency.refusals import Refusals
    from mme.residency.residency import Residency
    from mme.residency.trial import Invoke
    from mme.store import Store

log = logging.getLogger(__name__)

LISTING_SHARE = 0.1
"""Listing takes no more than this part of the time."""
KINDS = ("family", "language")
"""What a new version has as the present one has."""
MOST_SETTLED, MOST_FOLDERS = 10_000, 100


class Deployment:
    """Finds and tries new artifacts. All methods run on the event loop that made it."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        run: Run,
        residency: Residency,
        ask: Invoke,
        table: AliasTable,
        refusals: Refusals,
    ) -> None:
        self._unknown_s = settings.failure_memory_s
        self._store = store
        self._run = run
        self._residency = residency
        self._ask = ask
        self._events = residency.observed.events
        self._table = table
        self._refusals = refusals
        self._background = BackgroundTasks()
        self._list_again_at_s: dict[str, float] = {}
        self._settled: dict[tuple[str, str], None] = {}
        """Artifacts and versions that were deployed before, and rolled back perhaps."""
        self._firsts: dict[str, asyncio.Task[None]] = {}
        self._listing = asyncio.Lock()
        self._names: dict[str, tuple[float, set[str]]] = {}
        """Folder -> until when (monotonic) these are all names that could be aliases."""

    async def close(self) -> None:
        """End what is being tried."""
        await self._background.close()

    def look(self, folder: Folder, then: Callable[[], Awaitable[None]]) -> None:
        """Deploy what is new in a folder in the background, and do `then` if something was."""
        is_due = time.monotonic() >= self._list_again_at_s.get(folder.name, 0.0)
        if is_due and folder.aliases.error is None:
            self._list_again_at_s[folder.name] = float("inf")  # until this one has ended
            self._background.start(self._look(folder, then))

    async def _look(self, folder: Folder, then: Callable[[], Awaitable[None]]) -> None:
        began_s = listed_s = time.monotonic()
        try:
            found = await self._listed(folder, self._table.ids_of(folder))
            listed_s = time.monotonic()
            for candidate in found:
                if await self._deploy(folder, candidate):
                    await then()
        except EndpointError as error:
            log.debug("cannot look for new artifacts: %s", error.message)
        finally:
            self._list_again_at_s[folder.name] = listed_s + (listed_s - began_s) / LISTING_SHARE

    async def first(self, alias: str) -> None:
        """Have a name that no file has mean its newest artifact, if there is one that is fit."""
        task = self._firsts.get(alias)
        if task is None:
            task = self._firsts[alias] = self._background.start(self._first(alias))
            task.add_done_callback(lambda _: self._firsts.pop(alias, None))
        await asyncio.wait({task})

    async def _first(self, alias: str) -> None:
        folder, name = self._table.folder_of(alias), split(alias)[1]
        try:
            if name not in await self._names_in(folder.name):
                return
            found = await self._listed(folder, {**self._table.ids_of(folder), name: ""})
        except EndpointError as error:
            log.debug("cannot look for artifacts of %s: %s", alias, error.message)
            return
        for candidate in found:
            if candidate.name == name:
                await self._deploy(folder, candidate)

    async def _names_in(self, folder: str) -> set[str]:
        """Names that could be aliases: as anybody may ask for any, listed now and then only."""
        async with self._listing:
            until_s, names = self._names.pop(folder, (0.0, set()))
            if time.monotonic() >= until_s:
                names = await self._run(lambda: names_in(self._store.list_folder(folder), folder))
                until_s = time.monotonic() + self._unknown_s
                if len(self._names) >= MOST_FOLDERS:
                    del self._names[next(iter(self._names))]
            self._names[folder] = until_s, names
        return names

    async def _listed(self, folder: Folder, present: dict[str, str]) -> list[Candidate]:
        if not present:
            return []
        name = folder.name
        return await self._run(lambda: candidates(self._store.list_folder(name), name, present))

    async def _deploy(self, folder: Folder, candidate: Candidate) -> bool:
        alias, version_id = folder.name + candidate.name, candidate.id
        target, version = candidate.ref.target, candidate.ref.version
        said = folder.aliases.ids.get(candidate.name, "")
        if (target, version) in self._settled or self._refusals.is_refused(
            target, version, time.monotonic()
        ):
            return False
        try:
            if said and await self._was_deployed(alias, version_id):
                self._settle(target, version)
                return False
            artifact = await tried(self._residency, target, self._run, self._ask)
            await self._check_kind(artifact, alias, said)
        except EndpointError as error:
            if self._refusals.note(target, version, error, time.monotonic()):
                message = f"{target} is not deployed as {alias}: {error.message}"
                self._events.note("alias_refused", target, message, level=logging.WARNING)
            return False
        self._refusals.forget(target)
        if not said:
            self._table.deploy_here(folder, candidate.name, version_id)
        elif not await self._say(folder, alias, said, version_id):
            return False
        self._settle(target, version)
        message = f"deployed {target} as {alias}"
        self._events.note("alias_switched", target, message, alias=alias)
        return True

    async def _say(self, folder: Folder, alias: str, said: str, version_id: str) -> bool:
        """Write down what an alias means; whether it means that now."""
        try:
            await self._run(
                lambda: set_alias(
                    self._store, alias, version_id, expected=said, how="deploy",
                    needs_artifact=False,
                )
            )  # fmt: skip
        except NotAsExpected as error:
            log.info("%s", error.message)
            return False
        except EndpointError as error:
            log.warning("%s is deployed on this endpoint only: %s", alias, error.message)
            self._table.deploy_here(folder, split(alias)[1], version_id)
        return True

    async def _was_deployed(self, alias: str, version_id: str) -> bool:
        entries = await self._run(lambda: entries_of(self._store, alias))
        return any(entry.id == version_id for entry in entries)

    async def _check_kind(self, artifact: Admitted, alias: str, said: str) -> None:
        """Raise SampleFailed if an artifact is another kind of model than the present one."""
        if not said:
            return
        present = artifact_of(alias, said)
        try:
            known = self._residency.table.current(present)
            known = known or await self._residency.arrivals.bring_in(present)
        except EndpointError:
            return  # nothing to compare it with
        for kind in KINDS:
            old, new = (each.findings.details.get(kind) for each in (known.artifact, artifact))
            if old != new:
                reason = f"its {kind} is {new!r}, that of {present} is {old!r}"
                raise SampleFailed(artifact.target, reason)

    def _settle(self, target: str, version: str) -> None:
        if len(self._settled) >= MOST_SETTLED:
            del self._settled[next(iter(self._settled))]
        self._settled[target, version] = None
