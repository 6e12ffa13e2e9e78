"""Admitted artifacts on this disk, kept between runs: brought in, found, dropped.

Everything a question needs is in the index, so that nothing here grows with the number of
artifacts. Leaves unpacking and checking to an admission (`admission.py`), and which artifacts are
in use to the caller.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Self

from mme.cache import folders as cache_folders
from mme.cache.arrival import Arrival
from mme.cache.entry import read_entry
from mme.cache.index import Index
from mme.cache.reconcile import reconcile
from mme.cache.removal import remove, remove_all
from mme.cache.seal import is_intact
from mme.cache.verify import verify
from mme.core.errors import ArtifactRejected, NoDiskSpace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from mme.cache.admission import Admit
    from mme.cache.arrival import AdmissionTerms
    from mme.cache.entry import Entry
    from mme.cache.extract import ExtractionLimits
    from mme.cache.folders import Folders
    from mme.cache.threads import Run
    from mme.core.artifact import Admitted
    from mme.store import ArtifactRef, Store

MOST_NOTES = 1000
STEP = 100
UPKEEP_S = 5.0

log = logging.getLogger(__name__)


async def _between_upkeeps() -> None:
    await asyncio.sleep(UPKEEP_S)


class ArtifactCache:
    """The cache of one endpoint; made by `open`. Not safe for threads: the event loop owns it."""

    def __init__(
        self,
        folders: Folders,
        limits: ExtractionLimits,
        terms: AdmissionTerms,
        *,
        limit_bytes: int | None,
        run: Run,
        clock: Callable[[], float],
    ) -> None:
        self._folders = folders
        self._limits = limits
        self._terms = terms
        self._limit_bytes = limit_bytes
        self._run = run
        self._clock = clock
        self._index = Index(folders.index, folders.artifacts)
        self._wanted_at: dict[str, float] = {}
        self._coming_bytes: dict[str, int] = {}
        """What is being fetched, and how much of it counts for the limit already."""
        self._damaged: list[str] = []
        """What is to be removed in `leaving`."""
        self._is_open = True
        self._drop_superseded()

    @classmethod
    def open(
        cls,
        root: Path,
        limits: ExtractionLimits,
        terms: AdmissionTerms,
        *,
        store_uri: str = "",
        limit_bytes: int | None = None,
        run: Run = asyncio.to_thread,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """The cache below `root`, at once, whatever it holds; `upkeep` should run beside.

        What came from another store than `store_uri` leaves it, if that is told.

        Raises CacheInUse if another process has it, OSError if it cannot be written.
        """
        return cls(
            cache_folders.opened(root, store_uri),
            limits,
            terms,
            limit_bytes=limit_bytes,
            run=run,
            clock=clock,
        )

    @property
    def folder(self) -> Path:
        """Where the artifacts are."""
        return self._folders.artifacts

    def close(self) -> None:
        """Remove what is unfinished or superseded and let others use the cache; idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        self.flush()
        self._drop_superseded()
        self._index.close()
        self._folders.leave(self._folders.partial)
        remove_all(self._folders.leaving)
        os.close(self._folders.lock)

    async def upkeep(self, pause: Callable[[], Awaitable[None]] = _between_upkeeps) -> None:
        """Remove leftovers, make index and folders agree, then keep them so; until cancelled."""
        await self._run(lambda: remove_all(self._folders.leaving))
        await self._reconcile()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.verify())
            while True:
                await pause()
                self.flush()
                while self._damaged:
                    left = self._damaged.pop()
                    await self._run(partial(remove, self._folders.leaving, left))
                if self._index.is_incomplete:
                    await self._reconcile()

    async def verify(self) -> None:
        """Read all artifacts through, and drop those that are not what they were."""
        await verify(self._folders, self._index, self._run, self._drop_damaged)

    def lookup(self, name: str) -> Admitted | None:
        """The artifact of that name, if it is here as it was admitted."""
        folder = self._folders.of(name)
        if folder is None:
            return None
        known = self._index.get(name)
        entry = known or read_entry(folder)
        if entry is None:
            return None
        if not entry.artifact.model_dir.is_dir():
            self._index.remove([name])
            return None
        if entry.seal is not None and not is_intact(folder, entry.seal):
            self._drop_damaged(name)
            return None
        if known is None:
            self._index.put([entry])
        return entry.artifact

    def latest(self, target: str) -> Admitted | None:
        """The version of `target` that was admitted last."""
        found = (self.lookup(name) for name in self._index.names_of(target))
        return next((each for each in found if each is not None), None)

    def page(self, after: str, limit: int, prefix: str = "") -> list[Admitted]:
        """The latest versions of the `limit` targets that follow `after`, in order of targets.

        Of those that begin with `prefix`.
        """
        return self._index.page(after, limit, prefix)

    def totals(self) -> tuple[int, int]:
        """How many artifacts are here, and what they take on the disk, in bytes."""
        return self._index.totals()

    def others(self, target: str, name: str) -> list[str]:
        """The names of other versions of `target`."""
        return [each for each in self._index.names_of(target) if each != name]

    def count(self) -> int:
        """How many artifacts are here; too few while a damaged index is being made anew."""
        return self._index.totals()[0]

    def used(self, name: str) -> None:
        """Note that an artifact is wanted now; what was wanted longest ago is dropped first.

        Cheap: notes are written together, by `upkeep` or when they matter.
        """
        self._wanted_at[name] = self._clock()
        if len(self._wanted_at) >= MOST_NOTES:
            self.flush()

    def flush(self) -> None:
        """Write the notes of `used`."""
        if self._wanted_at:
            self._index.touch(self._wanted_at)
            self._wanted_at.clear()

    async def fetch(
        self,
        name: str,
        ref: ArtifactRef,
        store: Store,
        admit: Admit,
        is_in_use: Callable[[str], bool] | None = None,
    ) -> Admitted:
        """Download `ref` and have it admitted as `name`; returns what is there if it is.

        With `is_in_use`, room is made for it: on a full disk and within the limit. Raises
        ArtifactRejected, NoDiskSpace, and what the store and the admission raise; nothing is left
        then.
        """
        found = self.lookup(name)
        if found is not None:
            return found
        for limit in (self._limits.archive_bytes, self._limit_bytes):
            if limit is not None and ref.size_bytes > limit:
                raise ArtifactRejected(ref.uri, f"the archive is larger than {limit} bytes")
        arrival = Arrival(name, ref, self._folders, self._run)
        self._coming_bytes[name] = 0
        try:
            entry = None
            while entry is None:
                entry = await self._arrived(arrival, store, admit, is_in_use)
        finally:
            self._coming_bytes.pop(name, None)
        self._index.put([entry], self._clock())
        return entry.artifact

    async def drop_one(self, is_in_use: Callable[[str], bool]) -> bool:
        """Drop the artifact that was wanted longest ago and is not in use; False: there is none."""
        victims, _ = self._victims(1, is_in_use)
        await self._discard_unused(victims, is_in_use)
        return bool(victims)

    async def discard(self, name: str) -> None:
        """Drop an artifact; it is gone for all questions at once, and from the disk at the end."""
        self._wanted_at.pop(name, None)
        self._index.remove([name])
        folder = self._folders.of(name)
        if folder is not None:
            await self._remove(folder)

    async def _arrived(
        self,
        arrival: Arrival,
        store: Store,
        admit: Admit,
        is_in_use: Callable[[str], bool] | None,
    ) -> Entry | None:
        """Try to bring an artifact in; None if the disk was full and there is more room now."""
        try:
            try:
                await arrival.download(store, self._limits.archive_bytes)
                findings = await admit(arrival.job(self._limits, self._terms))
                entry = await arrival.finished(findings, self._clock())
            except NoDiskSpace:
                # Whatever filled the disk: what is not in use makes room.
                if is_in_use is None or not await self.drop_one(is_in_use):
                    raise
                return None
            await self._fit_within_limit(arrival.ref, entry, is_in_use)
            return await arrival.placed(entry)
        finally:
            await arrival.end()

    async def _fit_within_limit(
        self, ref: ArtifactRef, entry: Entry, is_in_use: Callable[[str], bool] | None
    ) -> None:
        """Make room for an artifact that is on the disk already, but does not count yet."""
        limit, size = self._limit_bytes, entry.disk_bytes
        if limit is not None and size > limit:
            raise ArtifactRejected(
                ref.uri, f"it takes {size} bytes on disk and the whole cache may take {limit}"
            )
        if limit is not None and is_in_use is not None:
            victims, excess = self._victims(self._used_bytes() + size - limit, is_in_use)
            if excess > 0:
                raise NoDiskSpace("the disk cache (MME_CACHE_LIMIT_BYTES)", ref.uri)
            self._coming_bytes[entry.artifact.name] = size
            await self._discard_unused(victims, is_in_use)

    def _drop_damaged(self, name: str) -> None:
        """Put an artifact out of sight whose files were changed; `upkeep` removes it."""
        log.warning("%s in the disk cache is not what was admitted: it goes", name)
        self._index.remove([name])
        try:
            left = self._folders.leave(self._folders.artifacts / name)
        except OSError as error:
            log.warning("%s stays in the cache: %s", name, error)
            return
        if left is not None:
            self._damaged.append(left)

    async def _remove(self, folder: Path) -> None:
        left = self._folders.leave(folder)
        if left is not None:
            await self._run(lambda: remove(self._folders.leaving, left))

    async def _reconcile(self) -> None:
        await reconcile(self._folders, self._index, self._run, self._coming_bytes.__contains__)

    def _drop_superseded(self) -> None:
        """Drop all but the latest version of each target: an end in between may have left older."""
        dropped: list[str] = []
        while (names := self._index.superseded(STEP)) and names != dropped:
            self._index.remove(names)
            for name in names:
                try:
                    self._folders.leave(self._folders.artifacts / name)
                except OSError as error:
                    log.warning("%s stays in the cache: %s", name, error)
            dropped = names

    def _used_bytes(self) -> int:
        """What counts for the limit: all that is here, and what has been given room."""
        return self._index.totals()[1] + sum(self._coming_bytes.values())

    def _victims(self, excess: int, is_in_use: Callable[[str], bool]) -> tuple[list[str], int]:
        """What must go for so many bytes, and how many are still too many then."""
        self.flush()
        victims: list[str] = []
        for name, size in self._in_order():
            if excess <= 0:
                break
            if not is_in_use(name) and name not in self._coming_bytes:
                victims.append(name)
                excess -= size
        return victims, excess

    async def _discard_unused(self, names: list[str], is_in_use: Callable[[str], bool]) -> None:
        for name in names:
            # It may have come into use while another one was removed.
            if not is_in_use(name):
                log.info("dropping %s from the disk cache", name)
                await self.discard(name)

    def _in_order(self) -> Iterator[tuple[str, int]]:
        """Names and sizes, what goes first first; to be read without a change in between."""
        offset = 0
        while step := self._index.least_wanted(STEP, offset):
            yield from step
            offset += len(step)
