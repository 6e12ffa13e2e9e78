"""Records put together into what one invocation carries, for the model each goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mme.jobs.transform.errors import BadInput
from mme.jobs.transform.records import NONE
from mme.jobs.transform.spec import CSV, JSON_LINES, SINGLE_RECORD, format_of
from mme.jobs.transform.targets import OneTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mme.jobs.transform.processing import Processor
    from mme.jobs.transform.records import Record
    from mme.jobs.transform.spec import Transform
    from mme.jobs.transform.targets import RecordTargets


class Payload(NamedTuple):
    """What one invocation carries."""

    target: str
    body: bytes
    sources: tuple[bytes, ...]
    """Its records as they were in the input, where they are needed again."""
    first: int
    """The number of its first record in the input, from 1."""
    record_count: int

    @property
    def place(self) -> str:
        """Which records of its input, for people."""
        last = self.first + self.record_count - 1
        return f"record {last}" if self.record_count == 1 else f"records {self.first} to {last}"


def payloads(
    records: Iterable[Record], transform: Transform, targets: RecordTargets, processor: Processor
) -> Iterator[Payload]:
    """The payloads of an input. Raises BadInput."""
    if transform.split_type == NONE and (processor or not isinstance(targets, OneTarget)):
        records = _inner(records, transform)
    gathering = _Gathering(transform, keeps_sources=bool(processor))
    for number, record in enumerate(records, 1):
        try:
            found = targets.of(record.bare)
            if found is None:
                continue
            target, kept = found
            bare = processor.sent(kept)
        except BadInput as error:
            raise BadInput(f"record {number}: {error}") from None
        framed = record.framed if bare is record.bare else bare + b"\n"
        yield from gathering.add(number, target, framed, bare, record.bare)
    yield from gathering.rest()


def _inner(records: Iterable[Record], transform: Transform) -> Iterator[Record]:
    """The rows of what is sent whole: CSV and JSON lines have some, a JSON document is one."""
    if format_of(transform.content_type) not in (CSV, JSON_LINES):
        yield from records
        return
    for record in records:
        for line in record.bare.split(b"\n"):
            if line.strip():
                yield type(record)(line + b"\n", line)


class _Gathering:
    """Records that go together: of one model, and no more bytes than a payload may have."""

    def __init__(self, transform: Transform, *, keeps_sources: bool) -> None:
        self._limit_bytes = transform.payload_bytes
        self._is_single = transform.strategy == SINGLE_RECORD and transform.split_type != NONE
        self._keeps_sources = keeps_sources
        self._parts: list[bytes] = []
        self._sources: list[bytes] = []
        self._target, self._held, self._first, self._count = "", 0, 1, 0

    def add(
        self, number: int, target: str, framed: bytes, bare: bytes, source: bytes
    ) -> Iterator[Payload]:
        part = bare if self._is_single else framed
        if len(part) > self._limit_bytes:
            raise BadInput(
                f"record {number} is larger than the {self._limit_bytes} bytes a payload may have"
            )
        is_full = self._held + len(part) > self._limit_bytes
        if self._parts and (is_full or target != self._target or self._is_single):
            yield self._payload()
        if not self._parts:
            self._target, self._first = target, number
        self._parts.append(part)
        self._held += len(part)
        self._count += 1
        if self._keeps_sources:
            self._sources.append(source)

    def rest(self) -> Iterator[Payload]:
        if self._parts:
            yield self._payload()

    def _payload(self) -> Payload:
        made = Payload(
            self._target, b"".join(self._parts), tuple(self._sources), self._first, self._count
        )
        self._parts, self._sources, self._held, self._count = [], [], 0, 0
        return made
