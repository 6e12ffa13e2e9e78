"""What tests of batch transform stand on: objects in memory, models that are functions."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
from typing import TYPE_CHECKING

from mme.core.answer import Answer
from mme.jobs.transform.places import ObjectRef, PlaceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mme.core.terms import Terms
    from mme.jobs.transform.ledger import Done


class MemoryPlaces:
    """Objects by URI; held to the same contract as the real ones."""

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})

    def list(self, uri: str) -> Iterator[ObjectRef]:
        for each in sorted(self.objects):
            if each.startswith(uri) and (found := self.find(each)):
                yield found

    def find(self, uri: str) -> ObjectRef | None:
        content = self.objects.get(uri)
        if content is None:
            return None
        return ObjectRef(uri, hashlib.sha256(content).hexdigest(), len(content))

    @contextlib.contextmanager
    def open(self, ref: ObjectRef) -> Iterator[io.BytesIO]:
        if self.find(ref.uri) != ref:
            raise PlaceUnavailable(f"{ref.uri} has changed meanwhile")
        yield io.BytesIO(self.objects[ref.uri])

    def write_file(self, uri: str, path: Path, content_type: str) -> ObjectRef:
        del content_type
        self.objects[uri] = path.read_bytes()
        found = self.find(uri)
        assert found
        return found


class MemoryLedger:
    def __init__(self) -> None:
        self.known: dict[str, Done] = {}

    async def find(self, key: str) -> Done | None:
        return self.known.get(key)

    async def note(self, done: Done) -> None:
        self.known[done.key] = done


TOGETHER_S = 30.0
"""No two would ever come together by then."""


class FakeModel:
    """Answers by a function of the body; notes what it was asked, and how much at a time."""

    def __init__(
        self,
        answer: Callable[[bytes], bytes | Answer],
        content_type: str = "text/plain",
        together: int = 1,
    ) -> None:
        """The first are answered when `together` have been asked."""
        self._answer = answer
        self._content_type = content_type
        self.asked: list[tuple[str, bytes]] = []
        self.terms: Terms | None = None
        self.headers: Mapping[str, str] = {}
        self.running = self.most_running = 0
        self._together = together
        self._are_together = asyncio.Event()

    async def __call__(
        self, target: str, headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Answer:
        self.asked.append((target, body))
        self.terms, self.headers = terms, headers
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.running >= self._together:
                self._are_together.set()
            async with asyncio.timeout(TOGETHER_S):
                await self._are_together.wait()
            await asyncio.sleep(0)
            answer = self._answer(body)
        finally:
            self.running -= 1
        if isinstance(answer, Answer):
            return answer
        return Answer(200, {"content-type": self._content_type}, answer, cold=False)


def refusal(status: int, body: bytes = b'{"message": "no"}') -> Answer:
    return Answer(status, {"content-type": "application/json"}, body, cold=False)
