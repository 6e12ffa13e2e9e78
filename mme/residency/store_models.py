"""What the management surface of a standalone endpoint shows beside `Residency`.

Pages of the models that are here, in what state. Where they come from is `store_catalog.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mme.core.errors import NotLoaded, NotOffered, PinnedBySettings, TargetNotFound
from mme.core.names import S3_SCHEME, check_key, check_target
from mme.core.terms import PLAIN
from mme.residency import meanings
from mme.residency.alias_follower import AliasFollower
from mme.residency.listing import Listing
from mme.residency.meanings import Meanings
from mme.residency.model_views import ModelViews
from mme.residency.residency import TARGETS, Residency
from mme.residency.sample_requests import sample_request
from mme.residency.status import States
from mme.residency.views import AliasView, ModelPage, ModelView, State
from mme.residency.why import sentence
from mme.store.alias_file import is_alias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from mme.cache import ArtifactCache
    from mme.core.answer import Answer
    from mme.core.settings import Settings
    from mme.core.terms import Terms
    from mme.memory import MemoryBook
    from mme.residency.observed import Observed
    from mme.residency.sample_requests import SampleRequest
    from mme.residency.store_catalog import StoreCatalog
    from mme.residency.trial import Invoke
    from mme.workers.engine import Workers

    Through = Callable[[Invoke, Invoke, Callable[[str], Collection[str] | None]], Invoke]


class StoreModels:
    """What the standalone gateway asks (`mme.gateway.engine.Standalone`)."""

    def __init__(
        self,
        settings: Settings,
        catalog: StoreCatalog,
        cache: ArtifactCache,
        workers: Workers,
        book: MemoryBook,
        *,
        observed: Observed | None = None,
        through: Through | None = None,
    ) -> None:
        """`through` makes of what asks models, and of what callers may ask, what is asked."""
        self._catalog = catalog
        self._cache = cache
        self._workers = workers
        self._book = book
        self._residency = Residency(settings, catalog, workers, observed)
        self._table = self._residency.table
        self._ask: Invoke = self._residency.invoke
        if through is not None:
            self._ask = through(self._residency.invoke, self.invoke, self._asked_by)
        self._meanings = Meanings(
            cache.folder.parent / meanings.FILE, catalog.store.uri, catalog.run
        )
        self.aliases = AliasFollower(
            settings,
            catalog.store,
            catalog.run,
            self._residency,
            ask=self._ask,
            last=self._meant_last,
            note=self._meanings.note,
        )
        catalog.is_used = self._table.uses
        self._views = ModelViews(self._residency, cache, workers, book, self.aliases.table)
        self._listing = Listing(catalog.store, catalog.run, self._views, self._here)
        self.observed = self._residency.observed
        self.states = States(
            self.observed,
            workers,
            book,
            cache,
            disk_limit_bytes=settings.cache_limit_bytes,
            downloading=lambda: len(self._residency.arrivals.targets()),
        )

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """See `Residency.invoke`; `target` is one that `Serving` has chosen, or an alias."""
        if not is_alias(target):
            return await self._ask(target, headers, body, terms)
        meant = self.aliases.table.meaning(target) or await self.aliases.resolve(target)
        try:
            return await self._ask(meant, headers, body, terms)
        except TargetNotFound as error:
            raise self.aliases.not_found(target, error) from error

    def _asked_by(self, target: str) -> Collection[str] | None:
        """The target models that an artifact says it asks; None: it is not here yet."""
        known = self._table.current(target)
        if known is None:
            return None
        said = known.artifact.findings.details.get(TARGETS)
        return said if isinstance(said, list) else ()

    async def load(self, target: str) -> ModelView:
        """See `Residency.load`; also raises InvalidRequest."""
        check_target(target)
        meant = await self._meant(target)
        try:
            return self._views.of(await self._residency.load(meant))
        except TargetNotFound as error:
            raise self.aliases.not_found(target, error) if is_alias(target) else error from error

    async def unload(self, target: str) -> None:
        """See `Residency.unload`; also raises InvalidRequest."""
        check_key(target)
        await self._residency.unload(await self._meant(target))

    def page(self, after: str, limit: int, prefix: str = "") -> tuple[list[ModelView], bool]:
        """The `limit` targets after `after` that are here or on their way; whether more follow."""
        here = self._here(after, limit + 1, prefix)
        return here[:limit], len(here) > limit

    async def listing(
        self, after: str, limit: int, prefix: str = "", states: Collection[State] = ()
    ) -> ModelPage:
        """See `Listing.page`."""
        return await self._listing.page(after, limit, prefix, states)

    def _here(self, after: str, limit: int, prefix: str) -> list[ModelView]:
        kept = self._cache.page(after, limit, prefix)
        views = {each.target: self._views.of_disk(each) for each in kept}
        for target in self._residency.arrivals.targets():
            view = self._views.here(target) if target > after else None
            if view is not None and target.startswith(prefix):
                views.setdefault(target, view)
        return [views[target] for target in sorted(views)][:limit]

    @property
    def store_uri(self) -> str:
        """Where artifacts come from."""
        return self._catalog.store.uri

    @property
    def store_error(self) -> str:
        """What was wrong with it when it was asked last; "": nothing."""
        return self._catalog.store_error

    def here(self, target: str) -> ModelView | None:
        """One target; None: it is neither on this disk nor on its way."""
        return self._views.here(target)

    async def describe(self, target: str) -> ModelView:
        """One target, here or in the store; of an artifact elsewhere, `s3://…`, what is here.

        Raises NotOffered, StoreUnavailable, InvalidRequest.
        """
        check_key(target)
        meant = await self._meant(target)
        view = self._views.here(meant)
        if view is not None:
            return view
        if meant.startswith(S3_SCHEME):
            # Whoever may only look shall not look into any bucket that this endpoint may read.
            raise NotOffered(
                target, "what is elsewhere than in it is told of only while it is here"
            )
        try:
            ref = await self._catalog.run(lambda: self._catalog.store.find(meant))
        except TargetNotFound as error:
            said = self.aliases.not_found(target, error) if is_alias(target) else error
            raise NotOffered(target, said.message) from error
        return self._views.of_store(ref)

    async def details(self, target: str) -> Mapping[str, object]:
        """What the family says of a target, which comes to this disk for it, not into memory.

        Raises what bringing in raises, InvalidRequest.
        """
        check_target(target)
        meant = await self._meant(target)
        known = self._table.current(meant)
        kept = known.artifact if known is not None else self._cache.latest(meant)
        if kept is not None:
            return kept.findings.details
        try:
            return (await self._residency.arrivals.bring_in(meant)).artifact.findings.details
        except TargetNotFound as error:
            raise self.aliases.not_found(target, error) if is_alias(target) else error from error

    async def explain(self, target: str) -> tuple[ModelView, str]:
        """One target and why it is in its state. Raises as `describe` does."""
        view = await self.describe(target)
        return view, sentence(view, self.observed.history.of(view.target))

    def pin(self, target: str) -> ModelView:
        """Have a target stay in memory once it is there, until the endpoint ends."""
        check_key(target)
        meant = self.aliases.table.meaning(target) or target
        self._here_or_raise(meant)
        if not self._book.is_pinned(meant):
            self._book.pinned.add(meant)
            self.observed.events.note("pinned", meant, f"pinned {meant}, as was asked for")
        return self._here_or_raise(meant)

    def unpin(self, target: str) -> ModelView:
        """Undo `pin`. Raises PinnedBySettings."""
        check_key(target)
        meant = self.aliases.table.meaning(target) or target
        self._here_or_raise(meant)
        if self._book.is_pinned_by_pattern(meant):
            raise PinnedBySettings(meant)
        if meant in self._book.pinned:
            self._book.pinned.discard(meant)
            self.observed.events.note("unpinned", meant, f"unpinned {meant}, as was asked for")
        return self._here_or_raise(meant)

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

    def _here_or_raise(self, target: str) -> ModelView:
        view = self._views.here(target)
        if view is None:
            raise NotLoaded(target)
        return view

    async def _meant(self, target: str) -> str:
        return await self.aliases.resolve(target) if is_alias(target) else target

    def _meant_last(self, alias: str) -> str | None:
        target = self._meanings.of(alias)
        return target if target is not None and self._cache.latest(target) is not None else None
