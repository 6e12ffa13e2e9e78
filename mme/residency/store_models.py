"""The models of a standalone endpoint: below a store, brought to this disk when asked for.

`StoreCatalog` is where they come from; `StoreModels` adds to `Residency` what the management
surface shows: pages of what is here, in what state.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from mme.core.errors import NoDiskSpace, NotLoaded, StoreUnavailable
from mme.core.names import check_target, model_name
from mme.residency.residency import Residency
from mme.residency.views import ModelView, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mme.cache import Admit, ArtifactCache
    from mme.cache.threads import Run
    from mme.core.artifact import Admitted
    from mme.core.settings import Settings
    from mme.memory import MemoryBook
    from mme.residency.table import Known
    from mme.residency.views import Answer
    from mme.store import ArtifactRef, Store
    from mme.workers.engine import Workers

log = logging.getLogger(__name__)


class StoreCatalog:
    """A catalog over a store and the disk cache; `run` is for the store's blocking calls."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        cache: ArtifactCache,
        admit: Admit,
        run: Run,
        workers: Workers,
    ) -> None:
        self.is_used: Callable[[str], bool] = lambda _: False
        """Which versions requests are under way to; set by the residency."""
        self._settings = settings
        self._store = store
        self._cache = cache
        self._admit = admit
        self._run = run
        self._workers = workers
        self._arriving: set[str] = set()
        self._slots = asyncio.Semaphore(settings.parallel_loads)

    async def bring(self, target: str) -> Admitted:
        """See Catalog. While the store does not answer, the version fetched last serves on."""
        async with self._slots:
            try:
                ref = await self._find(target)
            except StoreUnavailable as error:
                kept = self._cache.latest(target)
                if kept is None:
                    raise
                log.warning("%s; using the copy of %s on disk", error.message, target)
                return kept
            name = model_name(target, ref.version)
            self._arriving.add(name)
            try:
                found = self._cache.lookup(name) or await self._fetch(name, ref)
                self._cache.used(name)
                await self._drop_other_versions(found)
                return found
            finally:
                self._arriving.discard(name)

    async def has_changed(self, artifact: Admitted) -> bool:
        """See Catalog."""
        ref = await self._find(artifact.target)
        return model_name(artifact.target, ref.version) != artifact.name

    def is_here(self, artifact: Admitted) -> bool:
        """See Catalog."""
        return self._cache.lookup(artifact.name) is not None

    async def discard(self, artifact: Admitted) -> None:
        """See Catalog."""
        await self._cache.discard(artifact.name)

    async def _find(self, target: str) -> ArtifactRef:
        return await self._run(lambda: self._store.find(target))

    async def _fetch(self, name: str, ref: ArtifactRef) -> Admitted:
        began_s = time.monotonic()
        while True:
            try:
                fetched = await self._cache.fetch(
                    name, ref, self._store, self._admit, self._is_needed
                )
            except NoDiskSpace:
                # Only what is in memory is left on the disk: models leave for this one.
                if not await self._workers.evict_one():
                    raise
            else:
                break
        log.info(
            "fetched %s: %d bytes, %d unpacked, in %.3f s",
            ref.uri,
            fetched.archive_bytes,
            fetched.findings.unpacked_bytes,
            time.monotonic() - began_s,
        )
        return fetched

    async def _drop_other_versions(self, artifact: Admitted) -> None:
        """Of what serves still, the residency disposes when it has drained."""
        for name in self._cache.others(artifact.target, artifact.name):
            if not self._is_needed(name):
                await self._cache.discard(name)

    def _is_needed(self, name: str) -> bool:
        return name in self._arriving or self.is_used(name) or self._workers.workers_of(name) > 0


class StoreModels:
    """What the standalone gateway asks (`mme.gateway.engine.Standalone`)."""

    def __init__(
        self,
        settings: Settings,
        catalog: StoreCatalog,
        cache: ArtifactCache,
        workers: Workers,
        book: MemoryBook,
    ) -> None:
        self._cache = cache
        self._workers = workers
        self._book = book
        self._residency = Residency(settings, catalog, workers)
        self._table = self._residency.table
        catalog.is_used = self._table.uses

    async def invoke(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """See `Residency.invoke`; also raises InvalidRequest."""
        if self._table.current(target) is None:
            check_target(target)
        return await self._residency.invoke(target, headers, body)

    async def load(self, target: str) -> ModelView:
        """See `Residency.load`; also raises InvalidRequest."""
        check_target(target)
        return self._view(await self._residency.load(target))

    async def unload(self, target: str) -> None:
        """See `Residency.unload`; also raises InvalidRequest."""
        check_target(target)
        await self._residency.unload(target)

    def page(self, after: str, limit: int) -> tuple[list[ModelView], bool]:
        """The `limit` targets after `after` that are here or on their way; whether more follow."""
        views = {each.target: self._view_of(each) for each in self._cache.page(after, limit + 1)}
        for target in self._residency.arrivals.targets():
            if target > after and self._table.current(target) is None:
                views[target] = ModelView(target=target, state=State.DOWNLOADING)
        in_order = sorted(views)
        return [views[target] for target in in_order[:limit]], len(in_order) > limit

    def describe(self, target: str) -> ModelView:
        """One target. Raises NotLoaded if it is neither on this disk nor on its way."""
        check_target(target)
        known = self._table.current(target)
        if known is not None:
            return self._view(known)
        if self._residency.arrivals.has(target):
            return ModelView(target=target, state=State.DOWNLOADING)
        kept = self._cache.latest(target)
        if kept is None:
            raise NotLoaded(target)
        return self._view_of(kept)

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether requests can be answered."""
        return await self._workers.is_ready(timeout_s)

    async def close(self) -> None:
        """Stop bringing in."""
        await self._residency.close()

    def _view_of(self, artifact: Admitted) -> ModelView:
        known = self._table.current(artifact.target)
        return self._view(known) if known is not None else self._on_disk(artifact)

    def _view(self, known: Known) -> ModelView:
        artifact = known.artifact
        workers = self._workers.workers_of(artifact.name)
        usage = self._workers.usage_of(artifact.name)
        if not workers and not known.in_flight:
            return self._on_disk(artifact)
        return ModelView(
            target=artifact.target,
            state=State.READY if workers else State.LOADING,
            name=artifact.name,
            version=artifact.version,
            archive_bytes=artifact.archive_bytes,
            unpacked_bytes=artifact.findings.unpacked_bytes,
            in_flight=known.in_flight,
            invocations=known.invocations,
            own_bytes=(usage.own_bytes * workers if usage else 0) or None,
            workers=workers,
            pinned=self._book.is_pinned(artifact.target),
            load_s=round(usage.load_s, 5) if usage else None,
            fetched_at=artifact.admitted_at,
            loaded_at=known.loaded_at,
            last_used_at=known.last_used_at,
            details=dict(artifact.findings.details),
        )

    def _on_disk(self, artifact: Admitted) -> ModelView:
        return ModelView(
            target=artifact.target,
            state=State.ON_DISK,
            name=artifact.name,
            version=artifact.version,
            archive_bytes=artifact.archive_bytes,
            unpacked_bytes=artifact.findings.unpacked_bytes,
            fetched_at=artifact.admitted_at,
        )
