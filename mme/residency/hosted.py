"""Models a platform loads and unloads, by the names it gives them: a multi-model container's.

Who is loaded is the platform's decision; that what it believes loaded really is, ours: a model
whose worker died, or whose model server did, is brought back, and requests wait for it. What one
load needs to be reliable is in `registering.py`; workers refuse what does not fit
(`mme.core.admission`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import (
    AlreadyLoaded,
    Busy,
    InvalidRequest,
    LoadFailed,
    ModelFailed,
    ModelNotReady,
    NotLoaded,
    ShuttingDown,
)
from mme.mms import NO_ANSWER
from mme.residency.hosted_workers import HostedWorkers, artifact_in
from mme.residency.tasks import Tasks
from mme.residency.worker import WorkerGone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.cache import CachedArtifact
    from mme.core.settings import Settings
    from mme.mms import MmsAnswer, MmsServer
    from mme.residency.hosted_workers import Serving

log = logging.getLogger(__name__)

NOT_FOUND, UNAVAILABLE = 404, 503
SHORT_LIFE_S = 5.0
PAUSE_S = 1.0
"""Before a model is brought back whose worker lived shorter than that."""


class HostedModel:
    """One model the platform asked for. The event loop owns it."""

    def __init__(self, artifact: CachedArtifact, arrival: asyncio.Task[Serving]) -> None:
        self.artifact = artifact
        self.arrival = arrival
        """The worker there is, or the one that is being started."""
        self.is_loaded = False
        """Whether the platform was told so."""
        self.in_flight = 0
        self.idle = asyncio.Event()
        """Set once it is leaving and has answered all it was given."""
        self.gone = asyncio.Event()
        self.is_leaving = False

    @property
    def serving(self) -> Serving | None:
        """The worker that answers now, if one does."""
        arrived = self.arrival.done() and not self.arrival.cancelled()
        return self.arrival.result() if arrived and self.arrival.exception() is None else None


class HostedModels:
    """The models of one container. All methods run on the event loop that made it."""

    def __init__(self, settings: Settings, models_dir: Path) -> None:
        self._settings = settings
        self._models_dir = models_dir
        self._tasks = Tasks()
        self._workers = HostedWorkers(settings, self._tasks)
        self._models: dict[str, HostedModel] = {}
        self._is_closed = False

    def attach(self, server: MmsServer) -> None:
        """Use this model server, which has no models yet; what was loaded comes back."""
        self._workers.attach(server)

    def detach(self) -> None:
        """The model server is gone, and every worker with it."""
        self._workers.detach()
        for name, model in self._models.items():
            serving = model.serving
            if serving is not None and not model.is_leaving:
                serving.worker.close("the model server ended")
                self._bring_back(name, model, serving)

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the model server answers within `timeout_s`; waits for one that is starting."""
        return await self._workers.is_ready(timeout_s)

    async def load(self, name: str, url: str) -> None:
        """Load the model in the folder `url`; returns when it answers.

        Raises AlreadyLoaded (also while it is loading), InvalidRequest, LoadFailed.
        """
        if self._is_closed:
            raise ShuttingDown
        while name in self._models:
            if not self._models[name].is_leaving:
                raise AlreadyLoaded(name)
            await self._models[name].gone.wait()
        artifact = artifact_in(self._folder(name, url), name)
        model = HostedModel(artifact, self._start(artifact))
        self._models[name] = model
        try:
            # Shielded: a load goes on without the one who asked, who may ask whether it is there.
            await asyncio.shield(model.arrival)
        except asyncio.CancelledError:
            self._tasks.start(self._settle(name, model))
            raise
        except Exception:
            self._drop(name, model)
            raise
        model.is_loaded = True

    async def unload(self, name: str) -> None:
        """Unload a model; returns when its worker is gone. Raises NotLoaded.

        Requests that came before have their answers first.
        """
        model = self._models.get(name)
        if model is None or model.is_leaving:
            raise NotLoaded(name)
        model.is_leaving = True
        if model.in_flight:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(model.idle.wait(), self._settings.invoke_timeout_s)
        await asyncio.wait({model.arrival})
        serving = model.serving
        if serving is not None:
            serving.worker.close("the model was unloaded")
            await self._workers.end(serving)
            log.info("unloaded %s (%s)", name, serving.server_name)
        self._drop(name, model)

    @property
    def inner_names(self) -> set[str]:
        """Under what names things of the models are kept, as their converted files."""
        return {model.artifact.name for model in self._models.values()}

    def loaded(self) -> dict[str, Path]:
        """Name -> folder of the models the platform may call, by name."""
        return {
            name: model.artifact.model_dir
            for name, model in sorted(self._models.items())
            if model.is_loaded and not model.is_leaving
        }

    async def invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> MmsAnswer:
        """Answer one request; waits for a model that is coming back.

        Raises NotLoaded, Busy, and ModelFailed (status 0) if the model gave no answer of its own.
        """
        model = self._models.get(name)
        if model is None or model.is_leaving:
            raise NotLoaded(name)
        if model.in_flight >= self._settings.queue_length:
            raise Busy(name, model.in_flight)
        model.in_flight += 1
        try:
            return await self._exchange(name, model, headers, body)
        finally:
            model.in_flight -= 1
            if model.is_leaving and model.in_flight == 0:
                model.idle.set()

    async def close(self) -> None:
        """End every load and the background work; the model server itself is its owner's."""
        self._is_closed = True
        await self._tasks.close()
        arrivals = [model.arrival for model in self._models.values()]
        for arrival in arrivals:
            arrival.cancel()
        await asyncio.gather(*arrivals, return_exceptions=True)
        for model in self._models.values():
            if model.serving is not None:
                model.serving.worker.close("the container ends")

    async def _exchange(
        self, name: str, model: HostedModel, headers: Mapping[str, str], body: bytes
    ) -> MmsAnswer:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + self._settings.invoke_timeout_s
        for attempt in (1, 2):
            serving = await self._worker_of(name, model, deadline_s)
            try:
                answer = await serving.worker.request(
                    serving.server.client,
                    serving.server_name,
                    headers,
                    body,
                    deadline_s - clock(),
                )
            except WorkerGone:
                continue
            except ModelFailed:
                # Its worker may be stuck: the next request gets a fresh one.
                self._lost(name, serving)
                raise
            # No worker saw a request to which the model server itself says one of these.
            is_unseen = answer.status in (NOT_FOUND, UNAVAILABLE)
            if answer.server_error() is None or not is_unseen or attempt == 2:  # noqa: PLR2004
                return answer
            self._lost(name, serving)
        reason = "the model's worker died, twice, while the request waited for it"
        raise ModelFailed(name, NO_ANSWER, reason)

    async def _worker_of(self, name: str, model: HostedModel, deadline_s: float) -> Serving:
        """The model's worker, waiting for it if it is coming back."""
        try:
            async with asyncio.timeout_at(deadline_s):
                return await asyncio.shield(model.arrival)
        except LoadFailed:
            raise NotLoaded(name) from None
        except TimeoutError:
            reason = f"not back within {self._settings.invoke_timeout_s:g} s"
            raise ModelNotReady(name, reason) from None

    def _start(self, artifact: CachedArtifact, pause_s: float = 0.0) -> asyncio.Task[Serving]:
        return asyncio.create_task(
            self._workers.start(
                artifact, lambda serving: self._lost(artifact.target, serving), pause_s
            )
        )

    def _lost(self, name: str, serving: Serving) -> None:
        """A worker is dead, or stuck: its model gets another one; who waits asks again."""
        model = self._models.get(name)
        if model is not None and model.serving is serving and not model.is_leaving:
            log.warning("the worker of %s is dead or does not answer; it is loaded again", name)
            serving.worker.give_up()
            self._tasks.start(self._workers.end(serving))
            self._bring_back(name, model, serving)

    def _bring_back(self, name: str, model: HostedModel, lost: Serving) -> None:
        lived_s = asyncio.get_running_loop().time() - lost.since_s
        pause_s = PAUSE_S if lived_s < SHORT_LIFE_S else 0.0
        model.arrival = self._start(model.artifact, pause_s)
        self._tasks.start(self._settle(name, model))

    async def _settle(self, name: str, model: HostedModel) -> None:
        """See a load through for which nobody else waits."""
        try:
            await asyncio.shield(model.arrival)
        except Exception as error:  # noqa: BLE001 - whatever it is, the name must be free again
            log.warning("%s is not loaded any more: %s", name, error)
            self._drop(name, model)
        else:
            model.is_loaded = True

    def _drop(self, name: str, model: HostedModel) -> None:
        if self._models.get(name) is model:
            del self._models[name]
        model.gone.set()

    def _folder(self, name: str, url: str) -> Path:
        """The folder a load names, which must be one of the platform's."""
        folder = Path(url)
        root = self._models_dir.resolve()
        if not folder.is_absolute() or not folder.resolve().is_relative_to(root):
            raise InvalidRequest(f"Model {name!r}: url {url[:200]!r} is no folder in {root}")
        if not folder.is_dir():
            raise LoadFailed(name, NOT_FOUND, f"There is no folder {url[:200]!r}")
        return folder
