"""How one target model stands now, put together from what each room knows of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mme.residency.views import ModelView, State

if TYPE_CHECKING:
    from mme.cache import ArtifactCache
    from mme.core.artifact import Admitted
    from mme.memory import MemoryBook
    from mme.residency.aliases import AliasTable
    from mme.residency.residency import Residency
    from mme.residency.table import Known
    from mme.store import ArtifactRef
    from mme.workers.engine import Workers


class ModelViews:
    """Views of the models of one endpoint."""

    def __init__(
        self,
        residency: Residency,
        cache: ArtifactCache,
        workers: Workers,
        book: MemoryBook,
        aliases: AliasTable,
    ) -> None:
        self._table = residency.table
        self._arrivals = residency.arrivals
        self._observed = residency.observed
        self._cache = cache
        self._workers = workers
        self._book = book
        self._aliases = aliases

    def here(self, target: str) -> ModelView | None:
        """One that is on this disk or on its way; None: it is not."""
        known = self._table.current(target)
        if known is not None:
            return self.of(known)
        if self._arrivals.has(target):
            return self._seen(ModelView(target=target, state=State.DOWNLOADING))
        kept = self._cache.latest(target)
        return None if kept is None else self._on_disk(kept)

    def of(self, known: Known) -> ModelView:
        """One that was asked for."""
        artifact = known.artifact
        workers = self._workers.workers_of(artifact.name)
        usage = self._workers.usage_of(artifact.name)
        view = replace(
            self._on_disk(artifact),
            invocations=known.invocations,
            last_used_at=known.last_used_at,
            load_s=round(usage.load_s, 5) if usage else None,
        )
        if not workers and not known.in_flight:
            return view
        return replace(
            view,
            state=State.READY if workers else State.LOADING,
            in_flight=known.in_flight,
            own_bytes=(usage.own_bytes * workers if usage else 0) or None,
            workers=workers,
            loaded_at=known.loaded_at,
            details=dict(artifact.findings.details),
        )

    def of_disk(self, artifact: Admitted) -> ModelView:
        """One of which this version is on the disk."""
        known = self._table.current(artifact.target)
        return self.of(known) if known is not None else self._on_disk(artifact)

    def of_store(self, ref: ArtifactRef) -> ModelView:
        """One of which nothing is here."""
        return self._seen(
            ModelView(
                target=ref.target,
                state=State.IN_STORE,
                version=ref.version,
                archive_bytes=ref.size_bytes,
                modified_at=ref.modified_at or None,
                aliases=self._aliases.names_of(ref.target),
            )
        )

    def _on_disk(self, artifact: Admitted) -> ModelView:
        return self._seen(
            ModelView(
                target=artifact.target,
                state=State.ON_DISK,
                name=artifact.name,
                version=artifact.version,
                archive_bytes=artifact.archive_bytes,
                unpacked_bytes=artifact.findings.unpacked_bytes,
                fetched_at=artifact.admitted_at,
                pinned=self._book.is_pinned(artifact.target),
                aliases=self._aliases.names_of(artifact.target),
            )
        )

    def _seen(self, view: ModelView) -> ModelView:
        """The view with what was counted and what happened."""
        counted = self._observed.statistics.of(view.target)
        happened = self._observed.history.of(view.target)
        if counted is not None:
            p50_s, p99_s = counted.latencies.quantiles(0.5, 0.99)
            view = replace(
                view, errors=counted.errors, p50_s=p50_s, p99_s=p99_s, last_used_at=counted.last_at
            )
        if happened is not None:
            view = replace(
                view,
                error=happened.error,
                error_at=happened.error_at if happened.error else None,
                failed_updates=happened.failed_updates,
                evicted_at=happened.evicted_at,
                idle_at_eviction_s=happened.idle_at_eviction_s,
                gone_from_store=happened.gone_at is not None,
            )
        return view
