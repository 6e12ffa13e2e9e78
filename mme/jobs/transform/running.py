"""A transform from its first input to its last: what is done is left, what fails is told.

A failed input has no output and does not stop the others. A cancelled run leaves nothing half
written; run again, it goes on.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mme.core.errors import EndpointError, StateUnavailable
from mme.jobs.transform.asking import Asker, Unreachable
from mme.jobs.transform.errors import BadInput
from mme.jobs.transform.ledger import Done
from mme.jobs.transform.one_input import InputTransform
from mme.jobs.transform.processing import Processor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from mme.jobs.transform.asking import Invoke
    from mme.jobs.transform.inputs import Input
    from mme.jobs.transform.ledger import Ledger
    from mme.jobs.transform.one_input import Outcome
    from mme.jobs.transform.places import Places
    from mme.jobs.transform.spec import Transform
    from mme.jobs.transform.targets import Targets

MOST_FAILURES = 10_000
"""How many are told one by one."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One input without output, and why."""

    uri: str
    reason: str


@dataclass(slots=True)
class Summary:
    """What came of a transform so far."""

    done: int = 0
    already_done: int = 0
    failed: int = 0
    records: int = 0
    """Of what was done now."""
    payloads: int = 0
    retries: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """All that were looked at."""
        return self.done + self.already_done + self.failed

    def fail(self, uri: str, reason: str) -> None:
        """Count an input that failed, and tell of it unless it is one of very many."""
        self.failed += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(Failure(uri, reason))

    def add(self, other: Summary) -> None:
        """Take in what came of a part of the inputs."""
        self.done += other.done
        self.already_done += other.already_done
        self.failed += other.failed
        self.records += other.records
        self.payloads += other.payloads
        self.retries += other.retries
        self.failures += other.failures[: MOST_FAILURES - len(self.failures)]


def _ignore(_: object) -> None:
    pass


class TransformRun:
    """Runs one transform. `run` does blocking work in a thread."""

    def __init__(
        self,
        transform: Transform,
        targets: Targets,
        places: tuple[Places, Places],
        invoke: Invoke,
        ledger: Ledger,
        *,
        run: Callable[[Callable[[], Any]], Awaitable[Any]] = asyncio.to_thread,
        scratch: Path | None = None,
        on_read: Callable[[int], object] = _ignore,
        on_skipped: Callable[[Input], object] = _ignore,
    ) -> None:
        """`scratch`: the folder for outputs that are not whole yet; else the system's."""
        self._transform = transform
        self._outputs = places[1]
        self._ledger = ledger
        self._run = run
        self._scratch = scratch
        self._on_skipped = on_skipped
        self._asker = Asker(invoke, transform)
        self._each = InputTransform(
            transform=transform,
            targets=targets,
            processor=Processor(transform),
            asker=self._asker,
            places=places[0],
            run=run,
            on_read=on_read,
        )
        self._next_lock = asyncio.Lock()
        self.summary = Summary()

    async def all(self, inputs: Iterator[Input]) -> Summary:
        """Do all of them. Raises EndpointError, TransformRefused where no input can be had."""
        with tempfile.TemporaryDirectory(prefix="mme-transform-", dir=self._scratch) as folder:
            try:
                async with asyncio.TaskGroup() as group:
                    for number in range(self._transform.max_concurrent):
                        group.create_task(self._some(inputs, Path(folder) / str(number)))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
        return self.summary

    async def _some(self, inputs: Iterator[Input], path: Path) -> None:
        while True:
            async with self._next_lock:
                source = await self._run(partial(next, inputs, None))
            if source is None:
                return
            await self._one(source, path)

    async def _one(self, source: Input, path: Path) -> None:
        if await is_done(source, self._ledger, self._outputs, self._run):
            self.summary.already_done += 1
            self._on_skipped(source)
            return
        try:
            await self._kept(source, path, await self._each.write(source, path))
        except (Unreachable, StateUnavailable):
            raise
        except (BadInput, EndpointError) as error:
            self.summary.fail(source.ref.uri, str(error))
        except OSError as error:
            self.summary.fail(
                source.ref.uri, f"its output cannot be kept here: {error.strerror or error}"
            )
        finally:
            self.summary.retries = self._asker.retried

    async def _kept(self, source: Input, path: Path, outcome: Outcome) -> None:
        """Put the output in its place and note it; to its end, also if the run is cancelled."""
        keeping = asyncio.ensure_future(self._keep(source, path, outcome))
        try:
            await asyncio.shield(keeping)
        except asyncio.CancelledError:
            await asyncio.wait([keeping])
            keeping.exception()  # not to be warned of: it will be done again
            raise

    async def _keep(self, source: Input, path: Path, outcome: Outcome) -> None:
        written = await self._run(
            partial(self._outputs.write_file, source.output_uri, path, outcome.content_type)
        )
        await self._ledger.note(
            Done(source.key, source.ref.version, written.version, outcome.records)
        )
        self.summary.done += 1
        self.summary.records += outcome.records
        self.summary.payloads += outcome.payloads


async def is_done(
    source: Input,
    ledger: Ledger,
    outputs: Places,
    run: Callable[[Callable[[], Any]], Awaitable[Any]],
) -> bool:
    """Whether the input is as it was when it was done, and its output as it was written."""
    done = await ledger.find(source.key)
    if done is None or done.version != source.ref.version:
        return False
    output = await run(partial(outputs.find, source.output_uri))
    return output is not None and output.version == done.output_version
