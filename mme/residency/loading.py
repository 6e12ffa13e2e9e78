"""Bringing an artifact to this disk: store -> disk cache, and what can go wrong on the way.

Leaves the model server to `registering.py`; single flight, deadlines and the table to
`arrivals.py`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from mme.core.errors import NoDiskSpace, StoreUnavailable
from mme.core.names import model_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.cache import ArtifactCache, CachedArtifact
    from mme.core.settings import Settings
    from mme.residency.table import Model
    from mme.store import ArtifactRef, Store

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Loader:
    """Downloads and unpacks; blocking work runs in `executor`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        cache: ArtifactCache,
        executor: concurrent.futures.Executor,
    ) -> None:
        self.is_in_use: Callable[[str], bool] = lambda _: False
        """Which artifacts on disk belong to models that are loaded; set by who knows."""
        self._arriving: set[str] = set()
        self._cache_limit_bytes = settings.cache_limit_bytes
        self._store = store
        self._cache = cache
        self._executor = executor
        self._at_work: set[concurrent.futures.Future[Any]] = set()

    def arrived(self, name: str) -> None:
        """The load of an artifact that `fetch` gave has ended, one way or the other."""
        self._arriving.discard(name)

    def _is_needed(self, name: str) -> bool:
        return name in self._arriving or self.is_in_use(name)

    async def find(self, target: str) -> ArtifactRef:
        """The store's current version of `target`. Raises TargetNotFound, StoreUnavailable."""
        return await self.in_thread(lambda: self._store.find(target))

    async def fetch(self, target: str) -> CachedArtifact:
        """The artifact of `target`, unpacked on this disk.

        While the store does not answer, the version fetched last serves on. Raises TargetNotFound,
        ArtifactRejected, StoreUnavailable, NoDiskSpace. `arrived` must be called in the end.
        """
        try:
            ref = await self.find(target)
        except StoreUnavailable as error:
            kept = [entry for entry in self._cache.entries() if entry.target == target]
            if not kept:
                raise
            log.warning("%s; using the copy of %s on disk", error.message, target)
            latest = max(kept, key=lambda entry: entry.fetched_at)
            self._arriving.add(latest.name)
            return latest
        name = model_name(target, ref.version)
        self._arriving.add(name)
        found = await self.in_thread(lambda: self._cache.lookup(name))
        if found is not None:
            return found
        began_at = time.monotonic()
        try:
            fetched = await self.in_thread(lambda: self._fetch(name, ref))
        except BaseException:
            self._arriving.discard(name)
            raise
        log.info(
            "fetched %s: %d bytes, %d unpacked, in %.3f s",
            ref.uri,
            fetched.archive_bytes,
            fetched.unpacked_bytes,
            time.monotonic() - began_at,
        )
        return fetched

    async def fit_on_disk(self, artifact: CachedArtifact) -> bool:
        """Keep the disk cache within its limit; False if only models in use could still go."""
        self._cache.used(artifact.name)
        limit_bytes = self._cache_limit_bytes
        if limit_bytes is None:
            return True

        def shrink() -> int:
            return self._cache.shrink(limit_bytes, self._is_needed)

        return await self.in_thread(shrink) == 0

    def _fetch(self, name: str, ref: ArtifactRef) -> CachedArtifact:
        while True:
            try:
                return self._cache.fetch(name, ref, self._store)
            except NoDiskSpace:
                # The disk is full, whoever filled it: what nobody uses makes room.
                if not self._cache.drop_oldest(self._is_needed):
                    raise

    def discard(self, name: str) -> asyncio.Future[None]:
        """Remove an unpacked artifact from disk, in the background."""
        return self.in_thread(lambda: self._cache.remove(name))

    async def discard_other_versions(self, model: Model) -> None:
        """Drop copies of other versions of the model's target from disk, but for those in use."""
        for entry in self._cache.entries():
            other = entry.target == model.target and entry.name != model.name
            if other and not self._is_needed(entry.name):
                await self.discard(entry.name)

    def in_thread(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run blocking work beside the event loop."""
        submitted = self._executor.submit(work)
        self._at_work.add(submitted)
        submitted.add_done_callback(self._at_work.discard)
        return asyncio.wrap_future(submitted)

    def close(self, timeout_s: float) -> None:
        """Wait for blocking work to end; what hangs on a store that does not answer is left."""
        if concurrent.futures.wait(list(self._at_work), timeout_s).not_done:
            log.warning("a store does not answer; its download is given up")
