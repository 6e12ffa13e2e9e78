"""Models by target, whatever the mode: brought in, asked, let go. The shell of this package.

Decisions are pure and in `table.py`; a catalog knows which targets there are and brings their
artifacts, `arrivals.py` does so once for all that wait, workers answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mme.core.answer import Answer
from mme.core.background import BackgroundTasks
from mme.core.errors import (
    EndpointError,
    LoadFailed,
    ModelFailed,
    NotLoaded,
    ShuttingDown,
    TargetNotFound,
)
from mme.core.terms import PLAIN
from mme.core.through_mms import MAY_ASK
from mme.core.timing import Timing
from mme.residency.arrivals import Arrivals
from mme.residency.observed import Observed
from mme.residency.table import Known, LetGo, TargetTable
from mme.workers.engine import NotAdmitted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.artifact import Admitted
    from mme.core.settings import Settings
    from mme.core.terms import Terms
    from mme.residency.catalog import Catalog
    from mme.workers.engine import Workers

log = logging.getLogger(__name__)

NO_ANSWER = 0
TARGETS = "targets"
"""In what an ensemble tells of itself: the other target models that its steps ask."""
ATTEMPTS = 3
DRAIN_POLL_S = 0.01
CHANGED_MEANWHILE = "its files on this disk were changed; the next request brings it in anew"


class Residency:
    """The models of one endpoint. All methods run on the event loop that made it."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        workers: Workers,
        observed: Observed | None = None,
    ) -> None:
        self.observed = observed or Observed()
        self._events = self.observed.events
        self._settings = settings
        self._catalog = catalog
        self._workers = workers
        self._background = BackgroundTasks()
        self.table = TargetTable()
        self.arrivals = Arrivals(
            catalog,
            self.table,
            self._arrived,
            self._not_arrived,
            ready_timeout_s=settings.ready_timeout_s,
            failure_memory_s=settings.failure_memory_s,
        )

    async def invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms = PLAIN
    ) -> Answer:
        """Answer one request to `target`, bringing it in first if need be.

        Raises what bringing in raises, Busy, LoadFailed, ModelNotReady, ShuttingDown; ModelFailed
        if the model gave no answer of its own. An error answer of the model is an `Answer`.
        """
        began_s, timing = time.perf_counter(), Timing()
        was_here = self.table.current(target) is not None
        try:
            answer = await self._invoke(target, headers, body, terms, timing)
        except (EndpointError, asyncio.CancelledError) as error:
            elapsed_s = time.perf_counter() - began_s
            self.observed.failed(target, error, elapsed_s, timing, was_here=was_here)
            raise
        self.observed.answered(target, answer, time.perf_counter() - began_s)
        return answer

    async def _invoke(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms, timing: Timing
    ) -> Answer:
        was_here = True
        for attempt in range(1, ATTEMPTS + 1):
            known = self.table.current(target)
            if known is None:
                was_here = False
                known = await self._brought_in(target, timing)
            else:
                self._check_version_in_background(known)
            self.table.begin(known, time.time())
            if terms.may_ask and known.artifact.findings.details.get(TARGETS):
                # What it asks is not for the caller, who must not be sent any part of it.
                headers, terms = {**headers, MAY_ASK: "1"}, replace(terms, parts=None)
            if terms.parts is not None:
                terms.parts.target, terms.parts.version = target, known.artifact.version
            try:
                answer = await self._workers.ask(known.artifact, headers, body, terms, timing)
            except (NotAdmitted, LoadFailed) as error:
                await self._again_or_raise(known, error, is_last=attempt == ATTEMPTS)
            else:
                # Files that had changed when a worker loaded them: its answer is worth nothing.
                if answer.load_s > 0 and not self._catalog.is_intact(known.artifact):
                    await self._changed_or_raise(known, is_last=attempt == ATTEMPTS)
                    if terms.parts is not None and terms.parts.has_begun:
                        raise ModelFailed(target, NO_ANSWER, CHANGED_MEANWHILE)
                    continue
                cold = not was_here or timing.load_s > 0
                return Answer(
                    answer.status, answer.headers, answer.body, cold, target,
                    known.artifact.version, not was_here, timing,
                )  # fmt: skip
            finally:
                self._do(self.table.end(known, time.time()))
        raise AssertionError  # the last attempt returns or raises

    async def _brought_in(self, target: str, timing: Timing) -> Known:
        began_s = time.perf_counter()
        try:
            return await self.arrivals.bring_in(target)
        finally:
            timing.fetch_s += time.perf_counter() - began_s

    async def load(self, target: str) -> Known:
        """Bring `target` in and into memory; returns when it can serve. Raises as `invoke` does."""
        for attempt in range(1, ATTEMPTS + 1):
            known = self.table.current(target) or await self.arrivals.bring_in(target)
            self.table.begin(known, time.time())
            known.invocations -= 1
            try:
                await self._workers.load(known.artifact)
            except (NotAdmitted, LoadFailed) as error:
                await self._again_or_raise(known, error, is_last=attempt == ATTEMPTS)
            else:
                return known
            finally:
                self._do(self.table.end(known, time.time()))
        raise AssertionError  # the last attempt returns or raises

    async def unload(self, target: str) -> None:
        """Let `target` leave memory: returns when what it had is free. Raises NotLoaded.

        Requests that came before have their answers first.
        """
        await self.arrivals.settled(target)
        known = self.table.current(target)
        if known is None or not (known.in_flight or self._workers.workers_of(known.artifact.name)):
            raise NotLoaded(target)
        began_s = time.perf_counter()
        await self._drain(known)
        took_s = round(time.perf_counter() - began_s, 6)
        message = f"unloaded {target}, as was asked for"
        self._events.note("unloaded", target, message, unload_s=took_s)

    async def leave(self, target: str) -> None:
        """Have `target` leave memory if it is there; returns when what it had is free."""
        await self.arrivals.settled(target)
        known = self.table.current(target)
        if known is not None:
            await self._drain(known)

    async def _drain(self, known: Known) -> None:
        self._do(self.table.dismiss(known))
        while known.in_flight:  # noqa: ASYNC110 - a request's end is no event
            await asyncio.sleep(DRAIN_POLL_S)
        await self._workers.drop(known.artifact)

    async def close(self) -> None:
        """Stop bringing in, end the background work."""
        await self.arrivals.close()
        await self._background.close()

    def _arrived(self, artifact: Admitted) -> None:
        now_s = time.monotonic()
        former = self.table.current(artifact.target)
        if former is not None and former.artifact.name != artifact.name:
            message = f"{artifact.target} has its new version {artifact.version[:16]}"
            self._events.note("updated", artifact.target, message, version=artifact.version)
        self._do(self.table.arrived(artifact, now_s, time.time()))

    def _not_arrived(self, target: str, error: EndpointError) -> None:
        self.observed.load_failed(target, error, serves=self.table.current(target) is not None)

    def _do(self, actions: list[LetGo]) -> None:
        for action in actions:
            self._background.start(self._let_go(action))

    async def _let_go(self, action: LetGo) -> None:
        artifact = action.known.artifact
        await self._workers.drop(artifact)
        current = self.table.current(artifact.target)
        is_back = current is not None and current.artifact.name == artifact.name
        if action.is_superseded and not is_back:
            await self._catalog.discard(artifact)
            log.info("the former version of %s is gone", artifact.target)

    async def _again_or_raise(
        self, known: Known, error: NotAdmitted | LoadFailed, *, is_last: bool
    ) -> None:
        """After a worker could not load: bring the artifact in anew if it is not whole here."""
        is_here = self._catalog.is_here(known.artifact)
        if isinstance(error, LoadFailed) and is_here:
            raise error
        if is_last:
            reason = "what was converted of its artifact is gone again and again"
            raise ModelFailed(known.target, NO_ANSWER, reason) from error
        log.warning(
            "%s is not whole on this disk, or is of another version: it comes in anew",
            known.target,
        )
        if self.table.current(known.target) is known:
            self.table.forget(known)
            if is_here:
                await self._catalog.discard(known.artifact)

    async def _changed_or_raise(self, known: Known, *, is_last: bool) -> None:
        """Let go of an artifact whose files have been changed on this disk."""
        if is_last:
            reason = "its files on this disk are changed again and again"
            raise ModelFailed(known.target, NO_ANSWER, reason)
        log.warning("%s has been changed on this disk and is brought in anew", known.target)
        self.table.forget(known)
        await self._workers.drop(known.artifact)

    def _gone(self, target: str, error: TargetNotFound) -> None:
        """A removed artifact serves on until it is unloaded, as on SageMaker."""
        history = self.observed.history.of(target)
        if history is None or history.gone_at is None:
            message = f"{target} serves on, though the store has it no more: {error.message}"
            self._events.note("gone", target, message, level=logging.WARNING)

    def _check_version_in_background(self, known: Known) -> None:
        """Now and then, look whether there is another version; if so bring it in beside."""
        now_s = time.monotonic()
        if now_s - known.checked_at_s >= self._settings.store_check_s:
            known.checked_at_s = now_s
            if not self.arrivals.has(known.target):
                self._background.start(self._check_version(known))

    async def _check_version(self, known: Known) -> None:
        if not self._catalog.is_intact(known.artifact):
            await self._changed_or_raise(known, is_last=False)
            return
        try:
            has_changed = await self._catalog.has_changed(known.artifact)
        except TargetNotFound as error:
            self._gone(known.target, error)
            return
        except EndpointError as error:
            log.debug("cannot check the version of %s: %s", known.target, error.message)
            return
        if has_changed and self.table.current(known.target) is known:
            message = f"{known.target} has changed in the store and is brought in anew"
            self._events.note("update_found", known.target, message)
            try:
                self.arrivals.start(known.target)
            except ShuttingDown:
                return
