"""One run of `mme batch`: what it is about, found out; done; stopped by a signal."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import signal
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mme.cli.batch_places import place
from mme.cli.batch_where import Terms, check_folders, running
from mme.core.database import Database, NewerDatabase
from mme.core.errors import EndpointError
from mme.jobs.transform import ledger
from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.inputs import inputs_below
from mme.jobs.transform.running import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mme.cli.batch_places import Place
    from mme.cli.batch_where import Endpoint, Ray
    from mme.jobs.transform.inputs import Input
    from mme.jobs.transform.running import TransformRun
    from mme.jobs.transform.spec import Transform
    from mme.jobs.transform.spread import SpreadRun
    from mme.jobs.transform.targets import Targets
    from models.serving import Progress

STATE_FILE = "batch.sqlite"
STOPPING = (signal.SIGINT, signal.SIGTERM)
CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".jsonlines": "application/jsonlines",
    ".ndjson": "application/jsonlines",
    ".txt": "text/plain",
}


class BatchFailed(Exception):
    """The run ended before its end; `summary` says how far it came."""

    def __init__(self, message: str, summary: Summary) -> None:
        super().__init__(message)
        self.summary = summary


class Interrupted(Exception):
    """A signal stopped the run."""

    def __init__(self, number: int, summary: Summary) -> None:
        super().__init__(signal.Signals(number).name)
        self.summary = summary
        self.exit_code = 128 + number


@dataclass(frozen=True, slots=True)
class Batch:
    """What to run; the content type of the inputs decides what else is possible."""

    input: str
    output: str
    where: Endpoint | Ray
    """Who is asked."""
    state_dir: Path
    targets: Callable[[str], Targets]
    transform: Callable[[str], Transform]
    content_type: str | None


async def run_batch(batch: Batch, progress: Progress) -> Summary:
    """Do it. Raises TransformRefused, BatchFailed, Interrupted."""
    source, target = place(batch.input), place(batch.output, is_output=True)
    check_folders(batch.where, (source, target))
    try:
        known = await asyncio.to_thread(_looked_at, source)
    except EndpointError as error:
        raise BatchFailed(error.message, Summary()) from error
    if not known.count:
        raise BatchFailed(f"there is nothing at {batch.input}", Summary())
    content_type = batch.content_type or known.content_type
    if not content_type:
        raise TransformRefused(f"name the --content-type of {known.example}: its ending says none")
    transform, targets = batch.transform(content_type), batch.targets(content_type)
    job = _identity(source.uri, target.uri, transform, targets)
    with _database(batch.state_dir) as database:
        await database.run(lambda connection: connection.execute(ledger.TABLE))
        with progress(known.size_bytes, "byte", "transforming") as bar:
            terms = Terms(
                transform, targets, (source, target), ledger.DatabaseLedger(database, job)
            )
            try:
                async with running(batch.where, terms, bar.update) as run:
                    await _interruptibly(run, inputs_below(source.places, source.uri, target.uri))
            except EndpointError as error:
                raise BatchFailed(error.message, Summary()) from error
    return run.summary


async def _interruptibly(run: TransformRun | SpreadRun, inputs: Iterator[Input]) -> None:
    """Run to the end, or until a signal. Raises BatchFailed, Interrupted."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(run.all(inputs))
    came: list[int] = []

    def stop(number: int) -> None:
        came.append(number)
        task.cancel()

    for number in STOPPING:
        loop.add_signal_handler(number, stop, number)
    try:
        await asyncio.wait([task])
    finally:
        for number in STOPPING:
            loop.remove_signal_handler(number)
    if task.cancelled():
        raise Interrupted(came[0], run.summary)
    try:
        task.result()
    except EndpointError as error:
        raise BatchFailed(error.message, run.summary) from error


@dataclass(slots=True)
class _Known:
    """What the inputs are together."""

    count: int = 0
    size_bytes: int = 0
    content_type: str = ""
    example: str = ""


def _looked_at(source: Place) -> _Known:
    known = _Known()
    for each in inputs_below(source.places, source.uri, ""):
        known.count += 1
        known.size_bytes += each.ref.size_bytes
        known.example = known.example or each.ref.uri
        known.content_type = known.content_type or _content_type(each.key)
    return known


def _content_type(key: str) -> str:
    path = Path(key.removesuffix(".gz"))
    return CONTENT_TYPES.get(path.suffix.lower(), "")


def _identity(source: str, target: str, transform: Transform, targets: Targets) -> str:
    """The same for runs that would write the same."""
    facts = asdict(transform)
    for name in ("max_concurrent", "timeout_s", "retries"):
        del facts[name]
    return hashlib.sha256(repr((source, target, facts, targets)).encode()).hexdigest()[:32]


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[Database]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        database = Database(folder / STATE_FILE)
    except (OSError, sqlite3.Error, NewerDatabase) as error:
        raise BatchFailed(
            f"the state in {folder} cannot be used (MME_STATE_DIR): {error}", Summary()
        ) from error
    try:
        yield database
    finally:
        database.close()
