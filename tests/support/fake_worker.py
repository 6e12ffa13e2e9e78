"""A worker of the pool without models: speaks at a door as a real one, and misbehaves when told.

Passes the same contract suite as the real loop (`tests/unit/prefork/worker_contract.py`). It is an
asyncio server in the test's own process; what it does with a question is set by `manner`, for all
questions or for those to one model.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
from typing import TYPE_CHECKING, Self

from mme.core.door import (
    PREFIX,
    Answer,
    Done,
    DoorError,
    Drop,
    Hello,
    Message,
    Part,
    Question,
    decode,
    encode,
    lengths,
)  # fmt: skip

if TYPE_CHECKING:
    from pathlib import Path

TEXT = {"content-type": "text/plain"}


class Manner(enum.Enum):
    """What a worker does with a question."""

    ANSWER = enum.auto()
    ANSWER_IN_PARTS = enum.auto()
    FAIL_TO_LOAD = enum.auto()
    BREAK_OFF = enum.auto()
    """An answer whose pieces are void, since an error ends it."""
    HANG = enum.auto()
    """Read the question and say nothing until `let_go` is set, then answer."""
    DIE_BEFORE_READING = enum.auto()
    DIE_AFTER_READING = enum.auto()
    DIE_WITHIN_ANSWER = enum.auto()


class FakeWorker:
    """A worker at the door `path` while its context lasts."""

    def __init__(
        self, path: Path, *, pid: int | None = None, generation: int = 0, most: int = 1000
    ) -> None:
        self.path = path
        self.hello = Hello(os.getpid() if pid is None else pid, generation)
        self.most = most
        self.manner = Manner.ANSWER
        self.manners: dict[str, Manner] = {}
        """Model -> what is done with its questions, instead of `manner`."""
        self.asked: list[Question] = []
        """Questions it has read."""
        self.models: dict[str, None] = {}
        """Those it has in memory, the least recently used first."""
        self.reading = asyncio.Event()
        """Set when it has read a question it hangs on."""
        self.let_go = asyncio.Event()
        self.dead = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()
        if self._server is not None:
            await self._server.wait_closed()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def die(self) -> None:
        """End at once, whatever it does."""
        self.dead.set()
        self.path.unlink(missing_ok=True)
        if self._server is not None:
            self._server.close()

    async def ended(self, timeout_s: float = 10) -> None:
        """Return when it is dead, of whatever."""
        async with asyncio.timeout(timeout_s):
            await self.dead.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        life = asyncio.create_task(self._live(reader, writer))
        death = asyncio.create_task(self.dead.wait())
        try:
            await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            life.cancel()
            death.cancel()
            await asyncio.gather(life, death, return_exceptions=True)
            self.dead.set()
            writer.transport.abort()
            self._serving.discard(task)

    async def _live(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.path.unlink(missing_ok=True)  # there is one gateway
        writer.write(encode(self.hello))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, DoorError):
            while self.manner is not Manner.DIE_BEFORE_READING or await self._waits_for(reader):
                await self._hear(await read_message(reader), writer)
                await writer.drain()

    async def _waits_for(self, reader: asyncio.StreamReader) -> bool:
        """Wait for the first byte of a message; then it is time to die."""
        await reader.readexactly(1)
        self.dead.set()
        return False

    async def _hear(self, message: Message, writer: asyncio.StreamWriter) -> None:
        match message:
            case Drop(models):
                for name in models:
                    self.models.pop(name, None)
                writer.write(encode(Done()))
            case Question():
                self.asked.append(message)
                await self._answer(message, writer)
            case _:
                raise DoorError("not for a worker")

    async def _answer(self, question: Question, writer: asyncio.StreamWriter) -> None:
        manner = self.manners.get(question.model, self.manner)
        body = f"ok {question.model} {len(question.body)}".encode()
        if manner is Manner.HANG:
            self.reading.set()
            await self.let_go.wait()
        elif manner is Manner.DIE_AFTER_READING:
            raise ConnectionError
        elif manner is Manner.DIE_WITHIN_ANSWER:
            writer.write(encode(Answer(200, TEXT, body))[:-3])
            await writer.drain()
            raise ConnectionError
        elif manner is Manner.FAIL_TO_LOAD:
            failure = b'{"type": "ArtifactError", "message": "bad", "status": 500}'
            writer.write(encode(Answer(500, TEXT, failure, is_unloadable=True)))
            return
        load_s, dropped = self._load(question.model)
        if manner in (Manner.ANSWER_IN_PARTS, Manner.BREAK_OFF):
            writer.write(encode(Part(body[:4])) + encode(Part(body[4:])))
            body = b""
        if manner is Manner.BREAK_OFF:
            writer.write(encode(Answer(503, TEXT, b"broken off")))
        else:
            writer.write(encode(Answer(200, TEXT, body, load_s, dropped=dropped)))

    def _load(self, name: str) -> tuple[float, list[str]]:
        if name in self.models:
            self.models[name] = self.models.pop(name)
            return 0.0, []
        dropped = list(self.models)[: max(0, len(self.models) - self.most + 1)]
        for gone in dropped:
            del self.models[gone]
        self.models[name] = None
        return 0.001, dropped


async def read_message(reader: asyncio.StreamReader) -> Message:
    """One message. Raises DoorError, asyncio.IncompleteReadError, ConnectionError."""
    kind, head_bytes, body_bytes = lengths(await reader.readexactly(PREFIX.size))
    head = await reader.readexactly(head_bytes)
    return decode(kind, head, await reader.readexactly(body_bytes))
