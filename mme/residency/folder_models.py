"""Models in folders that somebody else keeps: a platform's many, or the one of a container.

`FolderCatalog` admits what lies in a folder - nothing is unpacked, only checked and converted - and
keeps what it converted below a folder of our own, since theirs may be read-only. `PlatformModels`
adds the platform's names; `SoleModel` has one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
import uuid
from bisect import bisect_right
from typing import TYPE_CHECKING

from mme.cache import AdmissionJob
from mme.cache.terms import admission_terms, extraction_limits
from mme.core.artifact import Admitted
from mme.core.errors import AlreadyLoaded, InvalidRequest, LoadFailed, NotLoaded
from mme.core.names import model_name
from mme.core.terms import PLAIN
from mme.residency.first_use import folder_of
from mme.residency.residency import Residency
from mme.residency.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mme.cache import Admit
    from mme.core.answer import Answer
    from mme.core.settings import Settings
    from mme.core.terms import Terms
    from mme.residency.observed import Observed
    from mme.workers.engine import Workers

log = logging.getLogger(__name__)

NOT_FOUND = 404
SOLE = "model"
LEAVING = ".leaving-"


class FolderCatalog:
    """A catalog of names that are declared, each with its folder."""

    def __init__(self, settings: Settings, admit: Admit, scratch_root: Path) -> None:
        self._limits, self._terms = extraction_limits(settings), admission_terms(settings)
        self._admit = admit
        self._scratch_root = scratch_root
        self._folders: dict[str, Path] = {}
        self._admitted: dict[str, Admitted] = {}
        self._slots = Slots(settings.parallel_loads)

    def declare(self, name: str, folder: Path) -> None:
        """From now on there is this model."""
        self._folders[name] = folder

    def withdraw(self, name: str) -> None:
        """From now on there is not."""
        self._folders.pop(name, None)
        self._admitted.pop(name, None)

    def folder(self, name: str) -> Path | None:
        """The folder of a declared model."""
        return self._folders.get(name)

    async def bring(self, target: str) -> Admitted:
        """See Catalog."""
        folder = self._folders.get(target)
        if folder is None:
            raise NotLoaded(target)
        known = self._admitted.get(target)
        if known is not None and known.model_dir == folder:
            return known
        admitted = await self._admitted_from(target, folder)
        if self._folders.get(target) == folder:
            self._admitted[target] = admitted
        return admitted

    async def has_changed(self, artifact: Admitted) -> bool:
        """See Catalog: what a platform has put there it never changes."""
        del artifact
        return False

    def is_here(self, artifact: Admitted) -> bool:
        """See Catalog."""
        return artifact.model_dir.is_dir() and artifact.target in self._admitted

    def is_intact(self, artifact: Admitted) -> bool:
        """See Catalog: the folders are the platform's."""
        del artifact
        return True

    async def discard(self, artifact: Admitted) -> None:
        """See Catalog."""
        self._admitted.pop(artifact.target, None)
        place = artifact.scratch_dir.parent
        # Out of the way at once: the next admission may begin before this is removed.
        leaving = place.with_name(f"{LEAVING}{uuid.uuid4().hex}")
        try:
            place.rename(leaving)
        except FileNotFoundError:
            return
        await asyncio.to_thread(shutil.rmtree, leaving, ignore_errors=True)

    def abandoned(self) -> list[Path]:
        """What was converted of models that are not loaded and whose folders are gone.

        May run in a thread of its own.
        """
        # Looked at first: what comes meanwhile was declared before its place was made.
        places = list(self._scratch_root.iterdir())
        kept = {model_name(str(folder), "") for folder in list(self._folders.values())}
        return [
            place
            for place in places
            if place.name not in kept and not self._source_of(place).is_dir()
        ]

    async def _admitted_from(self, target: str, folder: Path) -> Admitted:
        name = model_name(str(folder), "")
        place = self._scratch_root / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "source").write_text(str(folder), encoding="utf-8", errors="surrogateescape")
        job = AdmissionJob(
            target=target,
            uri=str(folder),
            archive=None,
            model_dir=folder,
            scratch_dir=place / "mapped",
            limits=self._limits,
            memory_bytes=self._terms.memory_bytes,
            cpu_s=self._terms.cpu_s,
            checks=self._terms.checks,
        )
        async with self._slots.taken():
            findings = await self._admit(job)
        return Admitted(
            name=name,
            target=target,
            version="",
            model_dir=folder,
            scratch_dir=job.scratch_dir,
            archive_bytes=0,
            admitted_at=time.time(),
            findings=findings,
        )

    def _source_of(self, place: Path) -> Path:
        try:
            text = (place / "source").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            text = ""
        return place / "nothing" if not text else type(place)(text)


class PlatformModels:
    """What the platform's surface asks (`mme.gateway.engine.Platform`)."""

    def __init__(
        self,
        settings: Settings,
        catalog: FolderCatalog,
        workers: Workers,
        models_dir: Path,
        observed: Observed | None = None,
    ) -> None:
        self._catalog = catalog
        self._workers = workers
        self._models_dir = models_dir
        self._residency = Residency(settings, catalog, workers, observed)
        self._events = self._residency.observed.events
        self._loaded: list[str] = []
        """The names the platform may call, in order."""
        self._leaving: dict[str, asyncio.Event] = {}

    async def load(self, name: str, url: str) -> None:
        """Load the model in the folder `url`; returns when it answers.

        Raises AlreadyLoaded (also while it is loading), InvalidRequest, LoadFailed.
        """
        while name in self._leaving:
            await self._leaving[name].wait()
        if self._catalog.folder(name) is not None:
            raise AlreadyLoaded(name)
        self._catalog.declare(name, self._checked_folder(name, url))
        # A load goes on without the platform's connection: it may ask later whether it is there.
        await asyncio.shield(self._finish_load(name))

    async def unload(self, name: str) -> None:
        """Unload a model; returns when what it had is free. Raises NotLoaded."""
        if not self._has(name):
            raise NotLoaded(name)
        self._loaded.remove(name)
        gone = self._leaving[name] = asyncio.Event()
        # As a load: its name is free when it is gone, whoever waits for that.
        await asyncio.shield(self._finish_unload(name, gone))

    @property
    def loaded(self) -> int:
        """How many models are loaded, as the platform sees it."""
        return len(self._loaded)

    def page(self, after: str, limit: int) -> tuple[list[tuple[str, Path]], bool]:
        """The `limit` loaded names after `after` with their folders; whether more follow."""
        start = bisect_right(self._loaded, after)
        names = self._loaded[start : start + limit]
        return [(name, self.folder(name)) for name in names], start + limit < len(self._loaded)

    def folder(self, name: str) -> Path:
        """The folder of a loaded model. Raises NotLoaded."""
        folder = self._catalog.folder(name)
        if folder is None or not self._has(name):
            raise NotLoaded(name)
        return folder

    def check(self, name: str) -> None:
        """Raise NotLoaded for a name that is not loaded, nor loading."""
        if name in self._leaving or self._catalog.folder(name) is None:
            raise NotLoaded(name)

    async def invoke(
        self, name: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """See `Residency.invoke`; raises NotLoaded as `check` does."""
        self.check(name)
        return await self._residency.invoke(name, headers, body, terms)

    def check_target(self, target: str) -> None:
        """Raise NotLoaded for what is not loaded and lies in no folder, InvalidRequest for no path.

        A target is a name that is loaded, or the path of a folder below the platform's.
        """
        if self._catalog.folder(target) is None and folder_of(self._models_dir, target) is None:
            raise NotLoaded(target)

    async def invoke_target(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """See `Residency.invoke`; loads first what is not loaded. Raises as `check_target` does."""
        if target in self._leaving or self._catalog.folder(target) is None:
            await self._load_unasked(target)
        return await self.invoke(target, headers, body, terms)

    async def _load_unasked(self, target: str) -> None:
        failure = self._residency.table.failure(target, time.monotonic())
        if failure is not None:
            raise failure.anew()
        folder = folder_of(self._models_dir, target)
        if folder is None:
            raise NotLoaded(target)
        # One that loads already is waited for by invoking it.
        with contextlib.suppress(AlreadyLoaded):
            await self.load(target, str(folder))

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether models can be loaded."""
        return await self._workers.is_ready(timeout_s)

    async def close(self) -> None:
        """Stop loading."""
        await self._residency.close()

    async def _finish_load(self, name: str) -> None:
        self._residency.table.forgive(name)
        began_s = time.perf_counter()
        try:
            known = await self._residency.arrivals.bring_in(name)
            while known.artifact.model_dir != self._catalog.folder(name):
                # It was still on its way for an earlier load, which had been given up.
                known = await self._residency.arrivals.bring_in(name)
            if self._workers.is_own(known.artifact):
                await self._residency.load(name)
        except BaseException:
            self._catalog.withdraw(name)
            raise
        self._loaded.insert(bisect_right(self._loaded, name), name)
        took_s = round(time.perf_counter() - began_s, 6)
        message = f"loaded {name}, as the platform asked"
        self._events.note("loaded", name, message, platform_load_s=took_s)

    async def _finish_unload(self, name: str, gone: asyncio.Event) -> None:
        try:
            began_s = time.perf_counter()
            await self._residency.leave(name)
            took_s = round(time.perf_counter() - began_s, 6)
            message = f"unloaded {name}, as the platform asked"
            self._events.note("unloaded", name, message, unload_s=took_s)
        finally:
            self._catalog.withdraw(name)
            del self._leaving[name]
            gone.set()

    def _has(self, name: str) -> bool:
        place = bisect_right(self._loaded, name) - 1
        return place >= 0 and self._loaded[place] == name

    def _checked_folder(self, name: str, url: str) -> Path:
        """The folder a load names, which must be one of the platform's."""
        root = self._models_dir.resolve()
        folder = type(self._models_dir)(url)
        try:
            is_inside = folder.is_absolute() and folder.resolve().is_relative_to(root)
            is_there = folder.is_dir()
        except (OSError, RuntimeError) as error:  # a name too long, a loop of links
            raise LoadFailed(name, NOT_FOUND, f"{url[:200]!r} is no folder: {error}") from None
        if not is_inside:
            raise InvalidRequest(
                f"Model {name!r}: url {url[:200]!r} is no folder in the models' one"
            )
        if not is_there:
            raise LoadFailed(name, NOT_FOUND, f"There is no folder {url[:200]!r}")
        return folder


class SoleModel:
    """What the surface of a single-model container asks (`mme.gateway.engine.Sole`)."""

    def __init__(
        self,
        settings: Settings,
        catalog: FolderCatalog,
        workers: Workers,
        folder: Path,
        observed: Observed | None = None,
    ) -> None:
        self._workers = workers
        self._residency = Residency(settings, catalog, workers, observed)
        self._is_loaded = False
        catalog.declare(SOLE, folder)

    @property
    def workers(self) -> int:
        """How many requests it answers side by side."""
        return self._workers.side_by_side

    @property
    def has_worker(self) -> bool:
        """Whether there is a process it can answer in; one of the pool will do if it is there."""
        known = self._residency.table.current(SOLE)
        if known is None:
            return False
        artifact = known.artifact
        return not self._workers.is_own(artifact) or self._workers.workers_of(artifact.name) > 0

    async def load(self) -> None:
        """Admit the model and have it in memory. Raises EndpointError."""
        await self._residency.load(SOLE)
        self._is_loaded = True

    async def invoke(self, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN) -> Answer:
        """See `Residency.invoke`."""
        return await self._residency.invoke(SOLE, headers, body, terms)

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the model is loaded and answers."""
        return self._is_loaded and await self._workers.is_ready(timeout_s)

    async def close(self) -> None:
        """End the background work."""
        await self._residency.close()
