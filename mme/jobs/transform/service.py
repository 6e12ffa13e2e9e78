"""Transform jobs at work: started, gone on with after a restart, stopped, their ends kept."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mme.core.background import BackgroundTasks
from mme.core.errors import EndpointError, StateUnavailable
from mme.core.invocation_log import Asked, Work, noted
from mme.core.pipeline_key import in_short
from mme.jobs.transform import ledger
from mme.jobs.transform.checks import targets_of
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.inputs import MANIFEST, inputs_below, inputs_of_manifest
from mme.jobs.transform.job import COMPLETED, FAILED, KIND, OPEN, STOPPED, STOPPING, job_of
from mme.jobs.transform.running import TransformRun
from mme.jobs.transform.spec import from_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from mme.core.answer import Answer
    from mme.core.database import Database
    from mme.core.terms import Terms
    from mme.endpoints.records import Records
    from mme.jobs.transform.asking import Invoke
    from mme.jobs.transform.inputs import Input
    from mme.jobs.transform.job import Job
    from mme.jobs.transform.places import Places
    from mme.jobs.transform.running import Summary

log = logging.getLogger(__name__)

MOST_AT_A_TIME = 4
"""Jobs; others wait their turn."""
FAULT_S = 1.0
"""After a fault of the database."""
MOST_REASON_CHARS = 1024


class TransformJobs:
    """The jobs of one endpoint. The event loop owns it."""

    def __init__(
        self,
        records: Records,
        database: Database,
        places: Places,
        invoke: Invoke,
        *,
        run: Callable[[Callable[[], Any]], Awaitable[Any]] = asyncio.to_thread,
        scratch: Path | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`invoke` asks the engine by the URI of an artifact; `scratch` as for TransformRun."""
        self._records = records
        self._database = database
        self._places = places
        self._invoke = invoke
        self._run = run
        self._scratch = scratch
        self._clock = clock
        self._sleep = sleep
        self._tasks = BackgroundTasks()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(MOST_AT_A_TIME)
        self._is_closing = False

    async def go_on(self) -> None:
        """Take up what was in progress when the endpoint ended. Once, before anything else."""
        await self._database.run(lambda db: db.execute(ledger.TABLE))
        for record in self._records.all(KIND):
            job = job_of(record)
            if job.status in OPEN:
                self.start(job.name)

    def start(self, name: str) -> None:
        """Begin with a job that the table has."""
        self._running[name] = self._tasks.start(self._work(name))

    def stop(self, name: str) -> None:
        """End a job that runs; its status becomes Stopped when it has ended."""
        task = self._running.get(name)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """End the work; jobs stay in progress for the next start."""
        self._is_closing = True
        await self._tasks.close()

    async def _work(self, name: str) -> None:
        try:
            async with self._turns:
                await self._past_faults(name, lambda: self._done(name))
        except asyncio.CancelledError:
            if self._is_closing:
                raise
        finally:
            self._running.pop(name, None)
        if self._job(name).status == STOPPING:
            await self._past_faults(name, lambda: self._end(name, STOPPED, ""))

    async def _past_faults(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` again until the database lets it be done; what is done already is left."""
        while True:
            try:
                return await work()
            except StateUnavailable as error:
                log.warning("transform job %s waits: %s", name, error.message)
                await self._sleep(FAULT_S)

    async def _done(self, name: str) -> None:
        job = await self._begun(name)
        if job.status in OPEN and job.status != STOPPING:
            await self._end(name, *await self._outcome(job))

    async def _end(self, name: str, status: str, reason: str) -> None:
        log.info("transform job %s: %s %s", name, status, reason)
        async with self._records.lock:
            job = self._job(name).at(status, self._clock(), reason)
            await self._records.put(job.record())
        await ledger.DatabaseLedger(self._database, job.arn).forget()

    async def _begun(self, name: str) -> Job:
        async with self._records.lock:
            job = self._job(name)
            if job.started_at is None and job.status != STOPPING:
                job = replace(job, started_at=self._clock())
                await self._records.put(job.record())
            return job

    def _job(self, name: str) -> Job:
        record = self._records.get(KIND, name)
        assert record is not None, name  # noqa: S101 - none is ever removed
        return job_of(record)

    async def _outcome(self, job: Job) -> tuple[str, str]:
        try:
            summary = await self._transformed(job)
        except TransformRefused as error:
            return FAILED, _reason(f"ClientError: {error}")
        except StateUnavailable:
            raise
        except EndpointError as error:
            return FAILED, _reason(f"ClientError: {error.message}")
        except Exception:
            log.exception("transform job %s", job.name)
            return FAILED, "InternalServerError: the log of the endpoint says more"
        if not summary.inputs:
            nothing = f"ClientError: No S3 objects found under S3 URL {_source(job)!r}"
            return FAILED, _reason(nothing)
        if summary.failed:
            return FAILED, _reason(_failures(summary))
        return COMPLETED, ""

    async def _transformed(self, job: Job) -> Summary:
        transform = from_request(job.request)
        run = TransformRun(
            transform,
            targets_of(job.request, job.model),
            (self._places, self._places),
            _of_job(self._invoke, job),
            ledger.DatabaseLedger(self._database, job.arn),
            run=self._run,
            scratch=self._scratch,
        )
        return await run.all(self._inputs(job))

    def _inputs(self, job: Job) -> Iterator[Input]:
        source = job.request["TransformInput"]["DataSource"]["S3DataSource"]
        output = job.request["TransformOutput"]["S3OutputPath"]
        listed = inputs_of_manifest if source["S3DataType"] == MANIFEST else inputs_below
        return listed(self._places, source["S3Uri"], output)


def _of_job(invoke: Invoke, job: Job) -> Invoke:
    """Asks for targets of the job's model by the URIs of their artifacts; each is logged."""
    model = job.model

    async def ask(target: str, headers: Mapping[str, str], body: bytes, terms: Terms) -> Answer:
        key = model.key(job.name, target)
        work = Work("batch", job.name, Asked(in_short(key)))
        return await noted(work, terms, partial(invoke, key, headers, body))

    return ask


def _source(job: Job) -> str:
    return str(job.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])


def _failures(summary: Summary) -> str:
    first = "; ".join(f"{each.uri}: {each.reason}" for each in summary.failures[:3])
    return f"ClientError: {summary.failed} of {summary.inputs} objects failed: {first}"


def _reason(text: str) -> str:
    return text if len(text) <= MOST_REASON_CHARS else text[: MOST_REASON_CHARS - 1] + "…"
