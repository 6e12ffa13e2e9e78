"""All models in the order of their targets: those that are here, and what the store offers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.core.names import S3_SCHEME
from mme.residency.views import ModelPage, State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mme.cache.threads import Run
    from mme.residency.model_views import ModelViews
    from mme.residency.views import ModelView
    from mme.store import ArtifactRef, Store

STORE_S = 5.0
"""How long the store may take to list a part of what it has."""
AT_A_TIME = 2
"""So many lists of the store are made at a time: the threads are those that bring artifacts in. One
that does not end keeps its place."""
PART = 1000
MOST_PARTS = 20
"""So many parts are gone through for one page of models in certain states."""


class Listing:
    """Lists the models of one endpoint.

    `here(after, limit, prefix)` are those that are on this disk or on their way, in order.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        views: ModelViews,
        here: Callable[[str, int, str], list[ModelView]],
    ) -> None:
        self._store = store
        self._run = run
        self._views = views
        self._here = here
        self._places = asyncio.Semaphore(AT_A_TIME)

    async def page(
        self, after: str, limit: int, prefix: str = "", states: Collection[State] = ()
    ) -> ModelPage:
        """The `limit` models after `after`. Where the store does not answer, those here."""
        found: list[ModelView] = []
        part = ModelPage((), after)
        error = ""
        for _ in range(MOST_PARTS):
            # A store that did not answer is not waited for again.
            wants_store = not error and (not states or State.IN_STORE in states)
            size = limit if not states else PART
            part = await self._part(part.next_after, size, prefix, wants_store=wants_store)
            error = error or part.store_error
            found += [view for view in part.views if not states or view.state in states]
            if len(found) > limit or not part.next_after or (found and len(found) == limit):
                break
        next_after = part.next_after
        if len(found) > limit:
            next_after = found[limit - 1].target
        return ModelPage(found[:limit], next_after, error)

    async def _part(self, after: str, limit: int, prefix: str, *, wants_store: bool) -> ModelPage:
        offers: Sequence[ArtifactRef] = ()
        error = ""
        if wants_store:
            try:
                async with asyncio.timeout(STORE_S):
                    offers = await self._offers(after, prefix, limit + 1)
            except TimeoutError:
                error = f"{self._store.uri} has not answered within {STORE_S:g} s"
            except EndpointError as failure:
                error = failure.message
        here = {view.target: view for view in self._here(after, limit + 1, prefix)}
        offered = {ref.target: ref for ref in offers}
        known_to = _known_to(offers, limit) if wants_store and not error else ""
        views = []
        targets = sorted(here.keys() | offered.keys())
        for target in targets[:limit]:
            view = here.get(target)
            if view is None:
                view = self._views.of_store(offered[target])
            elif target in offered:
                view = replace(view, modified_at=offered[target].modified_at or None)
            elif target < known_to and not target.startswith(S3_SCHEME):
                view = replace(view, gone_from_store=True)
            views.append(view)
        next_after = targets[limit - 1] if len(targets) > limit else ""
        return ModelPage(views, next_after, error)

    async def _offers(self, after: str, prefix: str, limit: int) -> Sequence[ArtifactRef]:
        await self._places.acquire()
        asked = asyncio.ensure_future(
            self._run(lambda: self._store.list_after(after, prefix, limit))
        )
        asked.add_done_callback(self._over)
        # A thread does not end because nobody waits for it any more.
        return await asyncio.shield(asked)

    def _over(self, asked: asyncio.Future[Sequence[ArtifactRef]]) -> None:
        self._places.release()
        if not asked.cancelled():
            asked.exception()  # somebody has seen it now, if nobody waits for it


def _known_to(offers: Sequence[ArtifactRef], limit: int) -> str:
    """Up to where the list of the store is whole."""
    return offers[-1].target if len(offers) > limit else "\U0010ffff"
