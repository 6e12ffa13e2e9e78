"""How many workers there are: those of the pool, and those of models that have their own.

Follows `scaling.py`'s rule for each group of workers that may take the same requests. A worker
beyond the fewest comes only where there is room to spare. Workers of an older template, and those
that have grown, are replaced by fresh ones when they have nothing to do. Room for the first worker
of a model is made by `own_models.py`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mme.core.errors import LoadFailed
from mme.memory import anonymous_bytes
from mme.memory.amount import Amount
from mme.memory.prediction import WORKER_TASKS
from mme.workers.live import LiveWorker
from mme.workers.scaling import Load, change
from mme.workers.starting import POOL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mme.core.artifact import Admitted
    from mme.core.background import BackgroundTasks
    from mme.memory import MemoryBook
    from mme.workers.dispatch import Dispatch
    from mme.workers.given import WorkerState
    from mme.workers.live import LiveWorkers
    from mme.workers.requests import Request
    from mme.workers.starting import WorkerStarter
    from mme.workers.template import Template

log = logging.getLogger(__name__)

MIB = 1024 * 1024
POOL_WORKER = Amount(16 * MIB, WORKER_TASKS)
"""What a further worker of the pool is expected to take by and by."""
GROWN_BYTES = 128 * MIB
"""A worker of the pool that has grown by so much is replaced."""
WHOLE_LOOK_S = 1.0
"""How often all models are looked at that have workers of their own, and all workers' memory."""
PAUSE_S = 1.0
"""After a start that failed."""


class Groups:
    """Starts and ends workers. The event loop owns it; `step` is called now and then."""

    def __init__(
        self,
        dispatch: Dispatch[Request],
        live: LiveWorkers,
        starter: WorkerStarter,
        *,
        template: Template,
        book: MemoryBook,
        background: BackgroundTasks,
        clock: Callable[[], float],
        pool_dir: Path,
        pool: tuple[int, int],
        own_most: int,
    ) -> None:
        """`pool` are the fewest and the most workers of the pool, `own_most` those of a model."""
        self._dispatch = dispatch
        self._live = live
        self._starter = starter
        self._template = template
        self._book = book
        self._background = background
        self._clock = clock
        self._pool_dir = pool_dir
        self._fewest, self._most = pool
        self._own_most = own_most
        self._starting: dict[str | None, int] = {}
        self._paused_until_s: dict[str | None, float] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._own_artifacts: dict[str, Admitted] = {}
        self._grown: set[str] = set()
        """Workers of the pool that have grown too large."""
        self._whole_look_at_s = 0.0

    @property
    def fewest(self) -> int:
        """How many workers the pool has at least."""
        return self._fewest

    @property
    def most(self) -> int:
        """How many workers the pool has at most."""
        return self._most

    def starting(self, own_model: str | None = None) -> int:
        """How many workers of a group are being started."""
        return self._starting.get(own_model, 0)

    @property
    def is_changing(self) -> bool:
        """Whether a worker is being started or ended."""
        return bool(self._starting or self._ending)

    def step(self) -> None:
        """Look at the pool, and at each model for whose own workers requests wait.

        Now and then at all models with workers of their own, of which there may be hundreds, and at
        what the workers of the pool have grown to, which is read from files.
        """
        waiting = self._dispatch.own_waiting()
        if self._clock() >= self._whole_look_at_s:
            self._whole_look_at_s = self._clock() + WHOLE_LOOK_S
            there = {each.own_model for each in self._live.all() if each.own_model is not None}
            self._forget_all_but({*there, *waiting, *self._starting})
            waiting = there
            self._grown = {
                each.started.name
                for each in self._live.all()
                if each.artifact is None
                and anonymous_bytes(each.started.pid) - each.born_bytes > GROWN_BYTES
            }
        if self._fewest:
            self._wait_for_no_pipeline_in_vain()
            self._step_pool()
        for name in waiting:
            artifact = self._own_artifacts.get(name)
            if artifact is not None:
                self._step_own(artifact)

    def shed(self) -> bool:
        """End one idle worker beyond the fewest, since memory or tasks are short; False: none."""
        groups: dict[str | None, int] = {None: self._fewest}
        groups |= {each.own_model: 1 for each in self._live.all() if each.own_model is not None}
        for own_model, fewest in groups.items():
            states = self._dispatch.group(own_model)
            idle = [state for state in states if state.idle_s > 0]
            if len(states) > fewest and idle:
                self.end(min(idle, key=lambda state: state.models).name)
                return True
        return False

    def start(self, artifact: Admitted | None) -> Awaitable[LiveWorker]:
        """One more worker for a model, or the pool; must be awaited, until it takes requests.

        Raises LoadFailed.
        """
        own_model = None if artifact is None else artifact.name
        # Counted at once, so that none is started twice.
        self._starting[own_model] = self._starting.get(own_model, 0) + 1
        if artifact is not None:
            self._own_artifacts[artifact.name] = artifact
        return self._start(artifact, own_model)

    async def _start(self, artifact: Admitted | None, own_model: str | None) -> LiveWorker:
        try:
            if artifact is None:
                started = await self._starter.start(self._pool_dir, POOL)
            else:
                started = await self._starter.start(artifact.model_dir, artifact.target)
        finally:
            self._starting[own_model] -= 1
            if not self._starting[own_model]:
                del self._starting[own_model]
        live = LiveWorker(started, artifact, born_bytes=anonymous_bytes(started.pid))
        self._live.join(live, self._template.pipelines(started.generation))
        return live

    def end(self, name: str) -> asyncio.Task[None] | None:
        """Give a worker no more requests and end it once it has answered; None if it is gone."""
        if name in self._ending:
            return self._ending[name]
        live = self._live.get(name)
        if live is None:
            return None
        self._dispatch.retire(name)
        task = self._background.start(self._end(live))
        self._ending[name] = task
        task.add_done_callback(lambda _: self._ending.pop(name, None))
        return task

    def clean_up(self, live: LiveWorker) -> None:
        """A worker has died: let the model server forget it."""
        self._background.start(self._starter.end(live.started))

    async def _end(self, live: LiveWorker) -> None:
        while not self._dispatch.is_free(live.started.name):  # noqa: ASYNC110 - seldom, and short
            await asyncio.sleep(0.01)
        if self._live.get(live.started.name) is live:
            self._live.remove(live)
            await self._starter.end(live.started)

    def _forget_all_but(self, names: set[str | None]) -> None:
        """Forget models whose own workers have gone, however they went."""
        for name in self._own_artifacts.keys() - names:
            del self._own_artifacts[name]
        for own_model in self._paused_until_s.keys() - names - {None}:
            del self._paused_until_s[own_model]

    def _wait_for_no_pipeline_in_vain(self) -> None:
        """Let any worker take requests whose pipeline no template will have, after all."""
        for first in self._dispatch.oldest():
            if first.pipeline is not None and not self._template.learn(first.pipeline):
                waiting = self._dispatch.take_all(first.model)
                for request in waiting:
                    request.pipeline = None
                self._live.send(self._dispatch.submit_again(*waiting))

    def _step_pool(self) -> None:
        now_s = self._clock()
        states = self._dispatch.group()
        waits_s = [
            now_s - request.came_at_s
            for request in self._dispatch.oldest()
            if not (request.is_heavy and self._dispatch.having(request.model))
        ]
        load = self._load(states, None, max(waits_s, default=0.0))
        wanted = change(load, self._fewest, self._most)
        if load.workers + load.starting < self._fewest:
            for _ in range(self._fewest - load.workers - load.starting):
                self._start_in_background(None)
        elif wanted > 0 and self._book.has_spare(POOL_WORKER):
            self._start_in_background(None)
        elif wanted < 0:
            idle = [state for state in states if state.idle_s > 0]
            # An outdated one before a fresh one, which would only have to be started again.
            first = min(idle, key=lambda state: (not self._is_outdated(state.name), state.models))
            self.end(first.name)
        else:
            self._replace(states)

    def _replace(self, states: list[WorkerState]) -> None:
        """Let a fresh worker take the place of one that is outdated, when that is idle."""
        outdated = [state for state in states if state.idle_s > 0 and self._is_outdated(state.name)]
        if not outdated:
            return
        if len(states) > self._fewest:
            self.end(outdated[0].name)
        elif not self.starting():
            self._start_in_background(None)

    def _is_outdated(self, name: str) -> bool:
        live = self._live.get(name)
        if live is None:
            return False
        present = self._template.pipelines(self._template.generation)
        has_all = present <= self._template.pipelines(live.started.generation)
        return not has_all or name in self._grown

    def _step_own(self, artifact: Admitted) -> None:
        name = artifact.name
        states = self._dispatch.group(name)
        first = self._dispatch.oldest_of(name)
        wait_s = 0.0 if first is None else self._clock() - first.came_at_s
        wanted = change(self._load(states, name, wait_s), 1, self._own_most)
        if wanted > 0 and states and self._book.has_spare(self._needed(artifact)):
            self._start_in_background(artifact)
        elif wanted < 0:
            idle = [state for state in states if state.idle_s > 0]
            self.end(idle[-1].name)

    def _needed(self, artifact: Admitted) -> Amount:
        return self._book.needed(artifact.name, artifact.findings.unpacked_bytes)

    def _load(self, states: list[WorkerState], own_model: str | None, wait_s: float) -> Load:
        return Load(
            workers=len(states),
            starting=self.starting(own_model),
            longest_wait_s=wait_s,
            shortest_run_s=min((state.runs_s for state in states if state.runs_s), default=0.0),
            longest_idle_s=max((state.idle_s for state in states), default=0.0),
        )

    def _start_in_background(self, artifact: Admitted | None) -> None:
        own_model = None if artifact is None else artifact.name
        if self._paused_until_s.get(own_model, 0.0) <= self._clock():
            self._paused_until_s.pop(own_model, None)
            self._background.start(self._try_to_start(artifact, self.start(artifact)))

    async def _try_to_start(
        self, artifact: Admitted | None, started: Awaitable[LiveWorker]
    ) -> None:
        own_model = None if artifact is None else artifact.name
        promise = f"one more for {own_model or 'the pool'}"
        self._book.promise(promise, POOL_WORKER if artifact is None else self._needed(artifact))
        try:
            await started
        except LoadFailed as error:
            log.warning("no further worker: %s", error.message)
            self._paused_until_s[own_model] = self._clock() + PAUSE_S
        else:
            if artifact is not None:
                log.info("%s has one more worker", artifact.target)
        finally:
            self._book.kept(promise)
