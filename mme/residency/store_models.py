"""What the management surface of a standalone endpoint shows beside `Residency`.

Pages of the models that are here, in what state. Where they come from is `store_catalog.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core.errors import NotLoaded, TargetNotFound
from mme.core.names import check_key, check_target
from mme.core.terms import PLAIN
from mme.residency import meanings
from mme.residency.alias_follower import AliasFollower
from mme.residency.meanings import Meanings
from mme.residency.residency import Residency
from mme.residency.sample_requests import sample_request
from mme.residency.views import AliasView, ModelView, State
from mme.store.alias_file import is_alias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.cache import ArtifactCache
    from mme.core.answer import Answer
    from mme.core.artifact import Admitted
    from mme.core.settings import Settings
    from mme.core.terms import Terms
    from mme.memory import MemoryBook
    from mme.residency.sample_requests import SampleRequest
    from mme.residency.store_catalog import StoreCatalog
    from mme.residency.table import Known
    from mme.workers.engine import Workers


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
        self._catalog = catalog
        self._cache = cache
        self._workers = workers
        self._book = book
        self._residency = Residency(settings, catalog, workers)
        self._table = self._residency.table
        self._meanings = Meanings(
            cache.folder.parent / meanings.FILE, catalog.store.uri, catalog.run
        )
        self.aliases = AliasFollower(
            settings,
            catalog.store,
            catalog.run,
            self._residency,
            last=self._meant_last,
            note=self._meanings.note,
        )
        catalog.is_used = self._table.uses

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """See `Residency.invoke`; `target` is one that `Serving` has chosen, or an alias."""
        if not is_alias(target):
            return await self._residency.invoke(target, headers, body, terms)
        meant = self.aliases.table.meaning(target) or await self.aliases.resolve(target)
        try:
            return await self._residency.invoke(meant, headers, body, terms)
        except TargetNotFound as error:
            raise self.aliases.not_found(target, error) from error

    async def load(self, target: str) -> ModelView:
        """See `Residency.load`; also raises InvalidRequest."""
        check_target(target)
        meant = await self._meant(target)
        try:
            return self._view(await self._residency.load(meant))
        except TargetNotFound as error:
            raise self.aliases.not_found(target, error) if is_alias(target) else error from error

    async def unload(self, target: str) -> None:
        """See `Residency.unload`; also raises InvalidRequest."""
        check_key(target)
        await self._residency.unload(await self._meant(target))

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
        check_key(target)
        target = self.aliases.table.meaning(target) or target
        known = self._table.current(target)
        if known is not None:
            return self._view(known)
        if self._residency.arrivals.has(target):
            return ModelView(target=target, state=State.DOWNLOADING)
        kept = self._cache.latest(target)
        if kept is None:
            raise NotLoaded(target)
        return self._view_of(kept)

    async def sample(self, target: str) -> SampleRequest:
        """A request to try `target` with. Raises NotLoaded if it is not on this disk."""
        check_key(target)
        target = self.aliases.table.meaning(target) or target
        known = self._table.current(target)
        artifact = known.artifact if known is not None else self._cache.latest(target)
        if artifact is None:
            raise NotLoaded(target)
        return await sample_request(artifact, self._catalog.run)

    def alias_page(self, after: str, limit: int) -> tuple[list[AliasView], bool]:
        """The `limit` aliases after `after` that were asked for; whether more follow."""
        known, has_more = self.aliases.table.page(after, limit)
        views = []
        for alias in known:
            refusal = self.aliases.refusals.of(alias.wanted)
            is_refused = refusal is not None and alias.wanted != alias.target
            reason = refusal.reason if refusal is not None and is_refused else ""
            views.append(AliasView(alias.name, alias.target, alias.wanted, reason))
        return views, has_more

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether requests can be answered."""
        return await self._workers.is_ready(timeout_s)

    async def close(self) -> None:
        """Stop bringing in."""
        await self.aliases.close()
        await self._meanings.close()
        await self._residency.close()
        await self._catalog.close()

    async def _meant(self, target: str) -> str:
        return await self.aliases.resolve(target) if is_alias(target) else target

    def _meant_last(self, alias: str) -> str | None:
        target = self._meanings.of(alias)
        return target if target is not None and self._cache.latest(target) is not None else None

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
            aliases=self.aliases.table.names_of(artifact.target),
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
            aliases=self.aliases.table.names_of(artifact.target),
        )
