"""Where the models of a standalone endpoint come from: a store, and the disk cache.

What goes wrong between the two is mended here as far as it can be: what did not come whole is
fetched again, and where the store does not answer, what was fetched last serves on.
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
    NoDiskSpace,
    StoreUnavailable,
    TargetNotFound,
)
from mme.core.events import Events
from mme.core.names import model_name
from mme.residency.slots import Slots
from mme.store import TargetDenied

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.cache import Admit, ArtifactCache
    from mme.cache.threads import Run
    from mme.core.artifact import Admitted
    from mme.core.settings import Settings
    from mme.store import ArtifactRef, Store
    from mme.workers.engine import Workers

log = logging.getLogger(__name__)

CHECK_S = 5.0
"""How long the store may take to answer at the start."""
TRIES = 5
"""How often an artifact that was found is fetched, where the store does not give all of it."""
FIRST_PAUSE_S = 0.2
"""Before it is tried again; then twice as long each time."""
REFUSED_S, MOST_REFUSED = 60.0, 1000
"""How long, and of how many versions, it is remembered that they were refused."""
WARNING_S = 10.0
"""Between warnings that the store does not answer."""


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
        events: Events | None = None,
    ) -> None:
        self.is_used: Callable[[str], bool] = lambda _: False
        """Which versions requests are under way to; set by the residency."""
        self.store = store
        self.run = run
        self._settings = settings
        self._store = store
        self._cache = cache
        self._admit = admit
        self._run = run
        self._workers = workers
        self._events = events or Events()
        self._arriving: set[str] = set()
        self._slots = Slots(settings.parallel_loads)
        self._refused: dict[str, tuple[float, ArtifactRejected]] = {}
        """Versions that were refused: until when that is remembered, and why."""
        self._background = BackgroundTasks()
        self._next_warning_s = 0.0
        self.store_error = ""
        """What was wrong with the store when it was asked last; "": nothing."""

    def check_in_background(self) -> None:
        """Try the store once, so that the log says at the start what is wrong with it."""
        self._background.start(self._check())

    async def close(self) -> None:
        """End what runs in the background."""
        await self._background.close()

    async def bring(self, target: str) -> Admitted:
        """See Catalog. While the store does not answer, the version fetched last serves on."""
        until_s = time.monotonic() + self._settings.ready_timeout_s
        pause_s = FIRST_PAUSE_S
        for _ in range(TRIES):
            async with self._slots.taken():
                try:
                    ref = await self._find(target)
                except (StoreUnavailable, TargetDenied) as error:
                    return self._kept(target, error)
                try:
                    return await self._present(ref)
                except StoreUnavailable as error:  # it has changed, or did not come whole
                    last = error.anew()
            if time.monotonic() + pause_s >= until_s:
                break
            log.info("%s; it is tried again", last.message)
            await asyncio.sleep(pause_s)
            pause_s *= 2
        return self._kept(target, last)

    async def has_changed(self, artifact: Admitted) -> bool:
        """See Catalog."""
        try:
            ref = await self._find(artifact.target)
        except StoreUnavailable as error:
            self._warn(artifact.target, error)
            raise
        return model_name(artifact.target, ref.version) != artifact.name

    def is_here(self, artifact: Admitted) -> bool:
        """See Catalog."""
        return self._cache.lookup(artifact.name) is not None

    def is_intact(self, artifact: Admitted) -> bool:
        """See Catalog."""
        return self.is_here(artifact)

    async def discard(self, artifact: Admitted) -> None:
        """See Catalog."""
        await self._cache.discard(artifact.name)

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(CHECK_S):
                await self._run(self._store.check)
        except TimeoutError:
            self.store_error = f"{self._store.uri} has not answered for {CHECK_S:g} s"
            log.warning("the model store %s", self.store_error)
        except EndpointError as error:
            self.store_error = error.message
            log.warning("%s", error.message)

    async def _present(self, ref: ArtifactRef) -> Admitted:
        """The version `ref` on this disk."""
        name = model_name(ref.target, ref.version)
        until_s, refusal = self._refused.get(name, (0.0, None))
        if refusal is not None and time.monotonic() < until_s:
            raise refusal.anew()
        self._arriving.add(name)
        try:
            found = self._cache.lookup(name) or await self._fetch(name, ref)
            self._cache.used(name)
            await self._drop_other_versions(found)
        except ArtifactRejected as error:
            self._remember(name, error)
            raise
        else:
            return found
        finally:
            self._arriving.discard(name)

    def _remember(self, name: str, error: ArtifactRejected) -> None:
        """What was refused once is no better for being looked at again."""
        if len(self._refused) >= MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[name] = (time.monotonic() + REFUSED_S, error.anew())

    def _kept(self, target: str, error: EndpointError) -> Admitted:
        """The version fetched last; raises `error` if there is none."""
        kept = self._cache.latest(target)
        if kept is None:
            raise error
        self._warn(target, error)
        return kept

    def _warn(self, target: str, error: EndpointError) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_warning_s:
            self._next_warning_s = now_s + WARNING_S
            log.warning("%s; %s serves on from the copy on disk", error.message, target)

    async def _find(self, target: str) -> ArtifactRef:
        try:
            ref = await self._run(lambda: self._store.find(target))
        except (StoreUnavailable, TargetDenied) as error:
            self.store_error = error.message
            raise
        except TargetNotFound:
            self.store_error = ""
            raise
        self.store_error = ""
        return ref

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
        took_s = time.monotonic() - began_s
        archive_bytes, unpacked_bytes = fetched.archive_bytes, fetched.findings.unpacked_bytes
        self._events.note(
            "arrived",
            ref.target,
            f"fetched {ref.uri}: {archive_bytes} bytes, {unpacked_bytes} unpacked, in"
            f" {took_s:.3f} s",
            archive_bytes=archive_bytes,
            unpacked_bytes=unpacked_bytes,
            fetch_s=round(took_s, 6),
        )
        return fetched

    async def _drop_other_versions(self, artifact: Admitted) -> None:
        """Of what serves still, the residency disposes when it has drained."""
        for name in self._cache.others(artifact.target, artifact.name):
            if not self._is_needed(name):
                await self._cache.discard(name)

    def _is_needed(self, name: str) -> bool:
        return name in self._arriving or self.is_used(name) or self._workers.workers_of(name) > 0
