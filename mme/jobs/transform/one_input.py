"""One input through its models into one file, its order kept, a bounded part of it in memory.

At most as many payloads as the transform allows are held at a time, for all inputs together.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from mme.jobs.transform.errors import BadInput
from mme.jobs.transform.payloads import payloads
from mme.jobs.transform.records import split
from mme.jobs.transform.spec import GZIP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator
    from pathlib import Path
    from typing import Any

    from mme.core.answer import Answer
    from mme.jobs.transform.asking import Asker
    from mme.jobs.transform.inputs import Input
    from mme.jobs.transform.payloads import Payload
    from mme.jobs.transform.places import Places
    from mme.jobs.transform.processing import Processor
    from mme.jobs.transform.spec import Transform
    from mme.jobs.transform.targets import Targets

CHUNK_BYTES = 256 * 1024
AHEAD = 2
"""How many answers of one input may wait for an earlier one, for each that may be asked for."""
AHEAD_BYTES, AHEAD_COUNT = 64 * 1024, 64
"""Of payloads read before they can be asked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input."""

    records: int
    payloads: int
    content_type: str
    """Of its answers."""


class InputTransform:
    """What all inputs of one transform have in common."""

    def __init__(
        self,
        *,
        transform: Transform,
        targets: Targets,
        processor: Processor,
        asker: Asker,
        places: Places,
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        on_read: Callable[[int], object],
    ) -> None:
        self._transform = transform
        self._targets = targets
        self._processor = processor
        self._asker = asker
        self._places = places
        self._run = run
        self._on_read = on_read
        self._slots = asyncio.Semaphore(transform.max_concurrent)

    async def write(self, source: Input, path: Path) -> Outcome:
        """Write the output of `source` to `path`. Raises BadInput, EndpointError, OSError."""
        produced = _Ahead(self._payloads(source), self._run)
        pending: deque[tuple[Payload, asyncio.Task[Answer]]] = deque()
        records = count = 0
        content_type = ""
        with path.open("wb") as output:
            try:
                while (payload := await self._next(produced)) is not None:
                    count += 1
                    records += payload.record_count
                    pending.append((payload, self._asked(payload)))
                    while pending and (
                        pending[0][1].done()
                        or len(pending) > AHEAD * self._transform.max_concurrent
                    ):
                        content_type = await self._write(*pending.popleft(), output)
                while pending:
                    content_type = await self._write(*pending.popleft(), output)
            finally:
                for _, task in pending:
                    task.cancel()
                await asyncio.gather(*(task for _, task in pending), return_exceptions=True)
                await produced.close()
        return Outcome(records, count, content_type)

    async def _next(self, produced: _Ahead) -> Payload | None:
        """The next payload, when one may be asked; its place is taken until it is answered."""
        await self._slots.acquire()
        payload = None
        try:
            payload = await produced.next()
        finally:
            if payload is None:
                self._slots.release()
        return payload

    def _asked(self, payload: Payload) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._asker.ask(payload))
        # Not within the task: one that is cancelled before it begins does nothing at all.
        task.add_done_callback(lambda _: self._slots.release())
        return task

    async def _write(
        self, payload: Payload, answering: asyncio.Task[Answer], output: BinaryIO
    ) -> str:
        try:
            answer = await answering
        finally:
            if not answering.done():
                answering.cancel()
        content_type = answer.headers.get("content-type", "")
        kept = self._processor.kept(payload, answer.body, content_type)
        if len(kept) > CHUNK_BYTES:
            await self._run(partial(output.write, kept))
        else:
            output.write(kept)
        return content_type

    def _payloads(self, source: Input) -> Generator[Payload, None, None]:
        transform = self._transform
        with self._places.open(source.ref) as file:
            chunks = self._chunks(file)
            is_gzip = transform.compression == GZIP or (
                transform.compression is None and source.key.endswith(".gz")
            )
            if is_gzip:
                chunks = gunzipped(chunks)
            yield from payloads(
                split(chunks, transform.split_type, transform.payload_bytes),
                transform,
                self._targets.of_input(source.key),
                self._processor,
            )

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        while chunk := file.read(CHUNK_BYTES):
            self._on_read(len(chunk))
            yield chunk


class _Ahead:
    """What a generator gives, made in a thread: several small payloads at a time, or a large one.

    To change threads takes longer than to read a record.
    """

    def __init__(
        self,
        produced: Generator[Payload, None, None],
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        self._produced = produced
        self._run = run
        self._ready: deque[Payload] = deque()
        self._fault: BaseException | None = None

    async def next(self) -> Payload | None:
        """The next one, None at the end. Raises what the generator does, in its turn."""
        if not self._ready and self._fault is None:
            reading = asyncio.ensure_future(self._run(self._read))
            try:
                await asyncio.shield(reading)
            except asyncio.CancelledError:
                await asyncio.wait([reading])  # nothing is to be closed while a thread reads it
                raise
        if self._ready:
            return self._ready.popleft()
        if self._fault is not None:
            raise self._fault
        return None

    async def close(self) -> None:
        """End the generator."""
        await self._run(self._produced.close)

    def _read(self) -> None:
        held = 0
        try:
            while held < AHEAD_BYTES and len(self._ready) < AHEAD_COUNT:
                payload = next(self._produced, None)
                if payload is None:
                    return
                self._ready.append(payload)
                held += len(payload.body)
        except Exception as error:  # noqa: BLE001 - raised where it is asked for
            self._fault = error


def gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of a gzip file of one or several members. Raises BadInput."""
    reader = zlib.decompressobj(wbits=31)
    is_empty = True
    for chunk in chunks:
        rest = chunk
        while rest:
            if reader.eof:
                reader = zlib.decompressobj(wbits=31)
            is_empty = False
            try:
                unpacked = reader.decompress(rest, CHUNK_BYTES)
            except zlib.error as error:
                raise BadInput(f"it is no gzip file, or a broken one: {error}") from None
            rest = reader.unused_data if reader.eof else reader.unconsumed_tail
            yield unpacked
    if not is_empty and not reader.eof:
        raise BadInput("it is a gzip file that is cut off")
