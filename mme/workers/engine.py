"""What residency asks of the workers: an answer of a model, or that it leaves memory.

Puts the parts of this package together and keeps them going: requests wait in `dispatch.py`, are
sent by `live.py`, watched by `watch.py`; `groups.py` and `own_models.py` see to it that there are
workers. Which artifacts there are, and which version a target has, is residency's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

from mme.core.background import BackgroundTasks
from mme.core.errors import Busy, LoadFailed, ShuttingDown
from mme.core.events import Events
from mme.core.terms import PLAIN
from mme.core.through_mms import LOAD_ONLY
from mme.core.timing import Timing
from mme.workers.counts import WorkerCounts, counted, grown_bytes, note_times
from mme.workers.dispatch import Dispatch
from mme.workers.groups import Groups
from mme.workers.live import LiveWorkers
from mme.workers.notes import Notes
from mme.workers.own_models import OwnModels
from mme.workers.requests import NOT_CONVERTED, Deadlines, Request, request_to
from mme.workers.rhythm import USUAL, repeated
from mme.workers.scaling import pool_size
from mme.workers.usage import Usage, UsageBook
from mme.workers.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mme.core.artifact import Admitted
    from mme.core.door import Answer
    from mme.core.settings import Settings
    from mme.core.terms import Terms
    from mme.memory import MemoryBook
    from mme.workers.live import LiveWorker
    from mme.workers.rest import Rest
    from mme.workers.rhythm import Rhythm
    from mme.workers.server import CurrentServer
    from mme.workers.starting import WorkerStarter
    from mme.workers.template import Template

log = logging.getLogger(__name__)


class NotAdmitted(Exception):
    """What the admission left is not there any more; the artifact must be admitted anew."""


class Workers:
    """All workers of an endpoint. All methods run on the event loop that made it.

    `refuses_unfitting` as in OwnModels.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        server: CurrentServer,
        starter: WorkerStarter,
        template: Template,
        book: MemoryBook,
        pool_dir: Path,
        refuses_unfitting: bool = False,
        events: Events | None = None,
        clock: Callable[[], float] = time.monotonic,
        rhythm: Rhythm = USUAL,
    ) -> None:
        self._settings = settings
        self._server = server
        self._starter = starter
        self._template = template
        self._book = book
        self._clock = clock
        self._rhythm = rhythm
        self._is_foreign = settings.is_foreign_handler
        self._is_shared = settings.isolation == "shared" and not self._is_foreign
        cores = os.cpu_count() or 1
        pool = pool_size(settings.pool_min, settings.pool_max, cores) if self._is_shared else (0, 0)
        self._background = BackgroundTasks()
        together = settings.batch_requests if settings.invoke == "door" else 1
        self._usages = UsageBook(most_together=together)
        self._deadlines = Deadlines()
        self._isolated: set[str] = set()
        self._to_measure: dict[str, LiveWorker] = {}
        self._is_closed = False
        self.asked = 0
        """How many requests have come."""
        self._rest: Rest | None = None
        self._dispatch: Dispatch[Request] = Dispatch(
            clock=clock,
            heavy_workers=max(1, pool[0] // 2),
            looks_ahead=settings.invoke == "door",
        )
        self._notes = Notes(events or Events(), self._usages, self._dispatch, clock=clock)
        self._live = LiveWorkers(
            self._dispatch,
            self._background,
            clock=clock,
            through_mms=settings.invoke == "mms",
            on_answered=self._answered,
            on_death=self._died,
            on_blame=self._blame,
            on_batch_death=self._usages.died_in_batch,
        )
        self._groups = Groups(
            self._dispatch, self._live, starter,
            template=template, book=book, background=self._background,
            clock=clock, pool_dir=pool_dir, pool=pool,
            own_most=settings.workers_per_model or cores,
        )  # fmt: skip
        self._own = OwnModels(
            self._dispatch, self._live, self._groups,
            book=book, usages=self._usages, notes=self._notes, template=template,
            background=self._background, clock=clock, ready_timeout_s=settings.ready_timeout_s,
            side_by_side=settings.parallel_loads, refuses_unfitting=refuses_unfitting,
        )  # fmt: skip
        self._watch = Watch(self._dispatch, self._live, self._deadlines, clock=clock)
        for work in (
            self._keep_workers(),
            repeated(rhythm.look_s, self._look_after_requests),
            repeated(rhythm.pressure_s, self._look_at_memory),
        ):
            self._background.start(work)

    async def is_ready(self, timeout_s: float) -> bool:
        """Whether the model server answers and requests can be taken, within `timeout_s`.

        Workers that rest are ready: a request brings them back.
        """
        if self._rest is not None:
            return self._rest.is_well
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.until_ready()
                return await self._server.is_ready(timeout_s)
        return False

    async def until_ready(self) -> None:
        """Return when there is a model server and, if there is to be a pool, a worker of it."""
        await self._server.wait()
        while self._groups.fewest and not self._dispatch.group():  # noqa: ASYNC110 - starts only
            await asyncio.sleep(self._rhythm.step_s)

    async def ask(
        self,
        artifact: Admitted,
        headers: Mapping[str, str],
        body: bytes,
        terms: Terms = PLAIN,
        timing: Timing | None = None,
    ) -> Answer:
        """The model's answer to one request; cancelling withdraws it.

        `timing` is told how long it waited, and was computed. Where parts of it have been passed
        on, an error answer makes them void.

        Raises Busy, ModelFailed, LoadFailed, ModelNotReady, ShuttingDown, NotAdmitted.
        """
        usage = self._usages.of(artifact)
        if self._is_closed:
            raise ShuttingDown
        if usage.in_flight >= self._settings.queue_length:
            raise Busy(artifact.target, usage.in_flight)
        self.asked += 1
        usage.in_flight += 1
        try:
            if self._rest is not None:
                await self._rest.over()
            is_own, pipeline = self.is_own(artifact), self._pipeline_of(artifact)
            request = request_to(
                artifact, headers, body, terms, self._settings,
                now_s=self._clock(), is_own=is_own, pipeline=pipeline, batch=usage.batch_now,
            )  # fmt: skip
            answer = await self._answer(request, usage, timing or Timing())
        finally:
            usage.in_flight -= 1
        if answer.is_unloadable:
            if answer.status == NOT_CONVERTED:
                raise NotAdmitted(artifact.name)
            text = answer.body.decode("utf-8", "replace")
            raise LoadFailed(artifact.target, answer.status, text)
        return answer

    async def _answer(self, request: Request, usage: Usage, timing: Timing) -> Answer:
        self._deadlines.add(request)
        answer: Answer | None = None
        try:
            if request.is_own:
                request.waits_for_start = self._own.ensure(request.artifact)
            self._live.submit(request)
            answer = await request.answer
        except asyncio.CancelledError:
            self._dispatch.withdraw(request)
            request.left_at_s = self._clock()
            raise
        finally:
            if request.parts is not None:
                request.parts.release()
            self._deadlines.remove(request)
            note_times(timing, request, answer, self._clock(), usage.load_s)
        return answer

    async def load(self, artifact: Admitted) -> None:
        """Have the model in memory; returns when it is. Raises as `ask` does."""
        if self._is_foreign:
            if self._rest is not None:
                await self._rest.over()
            await self._own.started(artifact)
        else:
            await self.ask(artifact, {LOAD_ONLY: "1"}, b"")

    async def evict_one(self) -> bool:
        """Have the least valuable idle model leave memory; False if there is none."""
        return await self._own.evict_one()

    async def drop(self, artifact: Admitted) -> None:
        """Have a model leave memory; returns when what it had is free."""
        self._live.drop(artifact.name)
        await self._own.drop(artifact.name)

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way, or a worker that comes or goes."""
        return bool(self._deadlines) or self._groups.is_changing or self._own.is_starting

    def rest(self, rest: Rest) -> None:
        """Forget all workers, which end with the model server, until `resume`.

        Not while `is_busy`. Requests that come meanwhile wait until the rest is over.
        """
        self._rest = rest
        self._forget_workers()

    def resume(self) -> None:
        """Start workers, and give them requests, from now on: a model server is there."""
        self._rest = None

    @property
    def side_by_side(self) -> int:
        """How many requests are computed at once, at least."""
        return self._groups.fewest or 1

    def is_own(self, artifact: Admitted) -> bool:
        """Whether the model has workers of its own."""
        return (
            not self._is_shared or not artifact.findings.is_data or artifact.name in self._isolated
        )

    def workers_of(self, name: str) -> int:
        """How many workers have a model in memory."""
        return len(self._dispatch.group(name)) or len(self._dispatch.having(name))

    def usage_of(self, name: str) -> Usage | None:
        """How a model has been used, if it is known."""
        return self._usages.get(name)

    def resident(self) -> dict[str, int]:
        """The names of all models that are in memory, and how many workers have them."""
        own = {each.own_model for each in self._live.all() if each.own_model is not None}
        return self._dispatch.resident() | {name: self.workers_of(name) for name in own}

    def counts(self) -> WorkerCounts:
        """How many workers and requests there are."""
        resting = self._rest is not None
        pool = (self._groups.fewest, self._groups.most)
        return counted(self._live, len(self._deadlines), pool, is_resting=resting)

    def what_is_missing(self) -> str:
        """Why requests cannot be answered now, as far as is known; "": they can."""
        if self._rest is not None:
            return "" if self._rest.is_well else "the workers do not come back from their rest"
        if self._server.now is None:
            return "the model server is down and is being started again"
        if self._groups.fewest and not self._dispatch.group():
            return "no worker of the pool is up yet"
        return ""

    @property
    def own_bytes(self) -> int:
        """What all workers have taken since they were forked, with what models' own ones hold."""
        return grown_bytes(self._live.all(), self._usages)

    def fail_all(self) -> None:
        """Answer all requests that cannot be answered any more, and take no others."""
        self._is_closed = True
        for request in self._deadlines.all():
            self._dispatch.withdraw(request)
            if not request.is_over:
                request.answer.set_exception(ShuttingDown())

    async def close(self) -> None:
        """End the background work; the workers end with the model server."""
        self.fail_all()
        await self._background.close()
        await self._starter.close()
        self._forget_workers()

    def _forget_workers(self) -> None:
        for live in self._live.all():
            self._live.remove(live)
            live.started.door.close()

    # ---- requests

    def _pipeline_of(self, artifact: Admitted) -> str | None:
        """What a worker must have from its template for the model; None where any will do."""
        pipeline = artifact.findings.pipeline
        if pipeline is None or self._template.learn(pipeline):
            return pipeline
        return None

    def _answered(self, live: LiveWorker, request: Request, answer: Answer) -> None:
        usage = self._usages.get(request.model)
        if usage is None:
            return
        self._usages.used(usage, self._clock())
        if live.artifact is not None and answer.is_unloadable:
            self._own.give_up(live)
        elif live.artifact is None:
            if answer.load_s:
                usage.load_s = answer.load_s
                self._notes.loaded(usage, answer)
        elif usage.answers > 2 * usage.measured_at:
            self._to_measure[request.model] = live

    # ---- deaths

    def _died(self, live: LiveWorker, request: Request | None) -> None:
        if self._is_closed:
            return
        if not live.is_condemned and not live.started.server.has_ended:
            self._notes.died(live, request)
        # First: the model server interrupts, with the end of a dead worker, whichever worker its
        # thread has been given to meanwhile.
        self._groups.clean_up(live)
        if live.artifact is not None and self._dispatch.waiting(live.artifact.name):
            self._own.ensure(live.artifact)
        self._groups.step()

    def _blame(self, request: Request) -> None:
        """A model's computing ended a worker: if that happens again and again, it gets its own."""
        artifact = request.artifact
        if not self._usages.died(self._usages.of(artifact)) or request.is_own:
            return
        self._notes.isolated(artifact)
        self._isolated.add(artifact.name)
        for waiting in self._dispatch.take_all(artifact.name):
            waiting.is_own = True
            self._own.ensure(artifact)
            self._live.submit(waiting)

    # ---- background

    async def _keep_workers(self) -> None:
        await self._server.wait()
        await repeated(self._rhythm.step_s, self._look_at_workers)

    async def _look_at_workers(self) -> None:
        if self._rest is None:
            self._groups.step()
            self._own.step()

    async def _look_after_requests(self) -> None:
        self._watch.step()

    async def _measure_one(self) -> None:
        """Measure a model's worker, which takes the kernel milliseconds; it grows at first only."""
        if not self._to_measure:
            return
        name, live = self._to_measure.popitem()
        usage = self._usages.get(name)
        if usage is not None:
            usage.measured_at = usage.answers
            measured = await asyncio.to_thread(
                self._book.worker_bytes, live.started.pid, live.born_bytes
            )
            usage.own_bytes = measured or usage.own_bytes
            self._book.learn(name, measured)

    async def _look_at_memory(self) -> None:
        await self._measure_one()
        # Workers to spare go before any model does.
        if not (self._book.is_short() and self._groups.shed()):
            await self._own.relieve()
