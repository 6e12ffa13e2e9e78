"""Models with a process of their own: room for the first worker, and models leaving for others.

A start asks the book for room in bytes and tasks first, and waits for it while no model may leave.
When memory or tasks are short as it is, models leave too: those with a process of their own give it
up, those in the pool are dropped by its workers.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError, LoadFailed, ModelFailed, ModelNotReady
from mme.memory.amount import Amount
from mme.memory.prediction import WORKER_TASKS
from mme.workers.usage import candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.core.artifact import Admitted
    from mme.core.background import BackgroundTasks
    from mme.memory import Candidate, MemoryBook
    from mme.workers.dispatch import Dispatch
    from mme.workers.groups import Groups
    from mme.workers.live import LiveWorker, LiveWorkers
    from mme.workers.notes import Notes
    from mme.workers.requests import Request
    from mme.workers.template import Template
    from mme.workers.usage import UsageBook

log = logging.getLogger(__name__)

NO_ROOM = 507
ROOM_POLL_S = 0.05
MIB = 1024 * 1024


class OwnModels:
    """The event loop owns it."""

    def __init__(
        self,
        dispatch: Dispatch[Request],
        live: LiveWorkers,
        groups: Groups,
        *,
        book: MemoryBook,
        usages: UsageBook,
        notes: Notes,
        template: Template,
        background: BackgroundTasks,
        clock: Callable[[], float],
        ready_timeout_s: float,
        side_by_side: int,
        refuses_unfitting: bool,
    ) -> None:
        """`refuses_unfitting`: a model that is not expected to fit even alone is not tried."""
        self._dispatch = dispatch
        self._live = live
        self._groups = groups
        self._book = book
        self._usages = usages
        self._notes = notes
        self._template = template
        self._background = background
        self._clock = clock
        self._ready_timeout_s = ready_timeout_s
        self._slots = asyncio.Semaphore(side_by_side)
        self._refuses_unfitting = refuses_unfitting
        self._starts: dict[str, asyncio.Task[EndpointError | None]] = {}

    @property
    def is_starting(self) -> bool:
        """Whether a first worker of a model is on its way."""
        return bool(self._starts)

    async def started(self, artifact: Admitted) -> None:
        """Return when the model has a worker. Raises LoadFailed, ModelNotReady, ModelFailed."""
        self.ensure(artifact)
        if (start := self._starts.get(artifact.name)) is not None:
            error = await asyncio.shield(start)
            if error is not None:
                raise error

    async def evict_one(self) -> bool:
        """Let the least valuable model leave; False if none may."""
        victim = self._book.least_valuable(self._candidates())
        if victim is not None:
            await self._evict(victim, "its place on the disk is needed")
        return victim is not None

    def ensure(self, artifact: Admitted) -> bool:
        """Have a first worker started for a model that has none; if it fails, requests hear why.

        Returns whether one is on its way.
        """
        name = artifact.name
        if name not in self._starts and not self._dispatch.group(name):
            self._starts[name] = self._background.start(self._start_first(artifact))
        return name in self._starts

    def step(self) -> None:
        """Have one started wherever requests wait and there is none.

        Those come back that a worker of the model's own had when it ended without answering.
        """
        for name in self._dispatch.own_waiting():
            first = self._dispatch.oldest_of(name)
            if first is not None:
                self.ensure(first.artifact)

    def give_up(self, live: LiveWorker) -> None:
        """A worker came up and then could not load its model: it ends, for it has none."""
        self._groups.end(live.started.name)
        if live.artifact is not None and self._dispatch.waiting(live.artifact.name):
            self.ensure(live.artifact)

    async def drop(self, name: str) -> None:
        """End all workers of a model; returns when they are gone and what they had is free."""
        if name in self._starts:
            await asyncio.wait({self._starts[name]})
        # A further one that is being started would outlive the model.
        while self._groups.starting(name):  # noqa: ASYNC110 - seldom, and short
            await asyncio.sleep(ROOM_POLL_S)
        ending = [
            task
            for state in self._dispatch.group(name)
            if (task := self._groups.end(state.name)) is not None
        ]
        if ending:
            await asyncio.wait(ending)

    async def relieve(self) -> None:
        """Let models leave if memory or tasks are short."""
        victims = self._book.relieve(self._candidates())
        if victims:
            why = self._book.why_short()
            await asyncio.gather(*(self._evict(victim, why) for victim in victims))

    async def _start_first(self, artifact: Admitted) -> EndpointError | None:
        """Returns why it failed, which waiting requests are told too."""
        failure: EndpointError | None = None
        try:
            async with self._slots:
                await self._await_pipeline(artifact)
                await self._start_with_room(artifact)
        except EndpointError as error:
            log.warning("no worker for %s: %s", artifact.target, error.message)
            failure = error
        except Exception as error:
            log.exception("no worker for %s", artifact.target)
            failure = ModelFailed(artifact.target, 0, f"unforeseen {type(error).__name__}")
        finally:
            # At once: a request that comes from now on needs another start.
            del self._starts[artifact.name]
        if failure is not None:
            self._fail_waiting(artifact.name, failure)
        elif self._dispatch.waiting(artifact.name):
            # The worker may have died before its start was over, with requests come since.
            self.ensure(artifact)
        return failure

    def _fail_waiting(self, name: str, error: EndpointError) -> None:
        for request in self._dispatch.take_all(name):
            if not request.is_over:
                request.answer.set_exception(error)

    async def _await_pipeline(self, artifact: Admitted) -> None:
        """Have the template learn what the model needs, so that not each worker reads it anew."""
        pipeline = artifact.findings.pipeline
        while pipeline is not None and pipeline not in self._template.pipelines(
            self._template.generation
        ):
            if not self._template.learn(pipeline):
                return
            await asyncio.sleep(ROOM_POLL_S)

    async def _start_with_room(self, artifact: Admitted) -> None:
        """Make room and start; when there turns out to be none after all, make more and retry."""
        await self._make_room(artifact)
        try:
            while True:
                began_s = self._clock()
                try:
                    live = await self._groups.start(artifact)
                except LoadFailed as error:
                    victim = self._book.least_valuable(self._candidates())
                    if error.status != NO_ROOM or victim is None:
                        raise
                    await self._evict(victim, f"there was no room for {artifact.target} after all")
                else:
                    break
            usage = self._usages.of(artifact)
            usage.load_s = self._clock() - began_s
            usage.used_at_s = self._clock()
            usage.own_bytes = await asyncio.to_thread(
                self._book.worker_bytes, live.started.pid, live.born_bytes
            )
            self._book.learn(artifact.name, usage.own_bytes)
            self._notes.loaded_alone(usage)
        finally:
            self._book.kept(artifact.name)

    async def _make_room(self, artifact: Admitted) -> None:
        """Return when the model is expected to fit, with the room promised to it.

        Raises ModelNotReady if no model may leave for it in time, LoadFailed if it never fits.
        """
        needed = self._book.needed(artifact.name, artifact.findings.unpacked_bytes)
        deadline_s = self._clock() + self._ready_timeout_s
        while True:
            decision = self._book.decide(needed, self._candidates())
            alone = not self._has_others() and not self._book.has_promises
            is_hopeless = not decision.fits and (alone or not self._book.fits_alone(needed))
            if is_hopeless and self._refuses_unfitting:
                raise self._never_fits(artifact, needed)
            # Alone, a model that looks too large is tried: the kernel's word counts.
            if decision.fits or alone:
                self._book.promise(artifact.name, needed)
                why = f"{artifact.target} needs about {needed.bytes // MIB} MiB and its tasks"
                await asyncio.gather(*(self._evict(victim, why) for victim in decision.leave))
                return
            if self._clock() > deadline_s:
                reading, tasks = self._book.reading(), self._book.tasks()
                raise ModelNotReady(
                    artifact.target,
                    f"it needs about {needed.bytes // MIB} MiB and {needed.tasks} tasks;"
                    f" {reading.used // MIB} of {reading.limit // MIB} MiB and"
                    f" {tasks.used} of {tasks.limit} tasks are used and no loaded model may leave",
                )
            await asyncio.sleep(ROOM_POLL_S)

    def _never_fits(self, artifact: Admitted, needed: Amount) -> LoadFailed:
        reading = self._book.reading()
        message = (
            f"loading takes about {needed.bytes // MIB} MiB, for which there is no room even"
            f" without other models; {reading.used // MIB} of {reading.limit // MIB} MiB are in use"
        )
        return LoadFailed.because(artifact.target, "NoRoom", message, NO_ROOM)

    def _has_others(self) -> bool:
        return any(each.artifact is not None for each in self._live.all())

    def _candidates(self) -> Iterator[Candidate]:
        """The models that may leave: idle and not pinned."""
        own = {each.own_model: 0 for each in self._live.all() if each.own_model is not None}
        for each in self._live.all():
            if each.own_model is not None:
                own[each.own_model] += 1
        for name, workers in own.items():
            usage = self._usages.get(name)
            if usage is not None and usage.in_flight == 0 and not self._is_pinned(usage.artifact):
                yield candidate(usage, usage.own_bytes * workers, WORKER_TASKS * workers)
        for name in self._dispatch.resident():
            usage = self._usages.get(name)
            is_idle = name not in own and usage is not None and usage.in_flight == 0
            if usage is not None and is_idle and not self._is_pinned(usage.artifact):
                yield candidate(usage, usage.own_bytes * len(self._dispatch.having(name)), 0)

    def _is_pinned(self, artifact: Admitted) -> bool:
        return self._book.is_pinned(artifact.target)

    async def _evict(self, victim: Candidate, why: str) -> None:
        """Let an idle model leave; returns when it is gone."""
        usage = self._usages.get(victim.name)
        if usage is None or usage.in_flight:
            return
        unload_s = 0.0  # a worker of the pool drops it between two requests
        if victim.tasks:
            began_s = self._clock()
            self._book.leaves(victim.name, Amount(victim.own_bytes, victim.tasks))
            try:
                await self.drop(victim.name)
            finally:
                self._book.left(victim.name)
            unload_s = self._clock() - began_s
        else:
            self._live.drop(victim.name)
        self._notes.evicted(usage, victim.own_bytes, why, unload_s=unload_s)
