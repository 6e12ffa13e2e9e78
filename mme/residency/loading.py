"""Bringing one model in: store -> disk cache -> model server, and what can go wrong on the way.

Answers with a loaded `Model` or the error the caller shall get. Leaves single flight, deadlines and
the table to `residency.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from mme.core.errors import LoadFailed, NoDiskSpace, StoreUnavailable
from mme.core.names import model_name
from mme.mms import MmsError
from mme.residency.table import Model, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from mme.cache import ArtifactCache, CachedArtifact
    from mme.core.settings import Settings
    from mme.mms import MmsClient
    from mme.store import ArtifactRef, Store

log = logging.getLogger(__name__)

Result = TypeVar("Result")

CONFLICT, NOT_FOUND, INTERNAL = 409, 404, 500


class Loader:
    """Downloads, unpacks and loads; blocking work runs in `executor`."""

    def __init__(
        self, settings: Settings, store: Store, cache: ArtifactCache, executor: Executor
    ) -> None:
        self.is_in_use: Callable[[str], bool] = lambda _: False
        """Which artifacts on disk belong to models that are loaded; set by who knows."""
        self._arriving: set[str] = set()
        self._cache_limit_bytes = settings.cache_limit_bytes
        self._store = store
        self._cache = cache
        self._executor = executor
        self._load_timeout_s = settings.load_timeout_s

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

    async def load(self, artifact: CachedArtifact, mms: MmsClient, report_dir: Path) -> Model:
        """Load an unpacked artifact into the model server; raises LoadFailed.

        On failure the model server does not know the name any more.
        """
        report_file = report_dir / f"{artifact.name}.json"
        report_file.unlink(missing_ok=True)
        try:
            await self._register(artifact, mms)
        except MmsError as error:
            await self.forget(artifact.name, mms)
            report = _read_report(report_file)
            status = int(report.get("status", error.status or INTERNAL))
            body = {
                "type": report.get("type", "LoadError"),
                "message": report.get("message", error.message),
                "target_model": artifact.target,
            }
            raise LoadFailed(
                artifact.target, status, json.dumps(body, ensure_ascii=False)
            ) from None
        except asyncio.CancelledError:
            await asyncio.shield(self.forget(artifact.name, mms))
            raise
        report = _read_report(report_file)
        return Model(
            target=artifact.target,
            name=artifact.name,
            version=artifact.version,
            archive_bytes=artifact.archive_bytes,
            unpacked_bytes=artifact.unpacked_bytes,
            state=State.LOADING,
            pid=report.get("pid"),
            parent_pid=report.get("parent_pid"),
            details=report.get("model", {}),
        )

    async def forget(self, name: str, mms: MmsClient) -> None:
        """Take `name` out of the model server if it is there; failures are only logged."""
        try:
            await mms.unregister(name, timeout_s=self._load_timeout_s)
        except MmsError as error:
            if error.status != NOT_FOUND:
                log.warning("cannot unload %s: %s", name, error)

    def discard(self, name: str) -> asyncio.Future[None]:
        """Remove an unpacked artifact from disk, in the background."""
        return self.in_thread(lambda: self._cache.remove(name))

    async def discard_other_versions(self, model: Model) -> None:
        """Drop copies of other versions of the model's target from disk, but for those in use."""
        for entry in self._cache.entries():
            other = entry.target == model.target and entry.name != model.name
            if other and not self._is_needed(entry.name):
                await self.discard(entry.name)

    async def _register(self, artifact: CachedArtifact, mms: MmsClient) -> None:
        for attempt in (1, 2):
            try:
                await mms.register(
                    artifact.name, str(artifact.model_dir), timeout_s=self._load_timeout_s
                )
            except MmsError as error:
                # A load that failed half-way can leave its name behind.
                if error.status != CONFLICT or attempt == 2:  # noqa: PLR2004
                    raise
                await self.forget(artifact.name, mms)
            else:
                return

    def in_thread(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run blocking work beside the event loop."""
        return asyncio.get_running_loop().run_in_executor(self._executor, work)


def _read_report(path: Path) -> dict[str, Any]:
    """What the worker wrote about its load; empty if it did not come so far."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    path.unlink(missing_ok=True)
    return report if isinstance(report, dict) else {}
