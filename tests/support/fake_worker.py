"""A worker of the pool without models: speaks at a door as a real one, and misbehaves when told.

Passes the same contract suite as the real loop (`tests/unit/prefork/worker_contract.py`). It is an
asyncio server in the test's own process; what it does with a question is set by `manner`, for all
questions or for those to one model.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
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
    Together,
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
    NOT_CONVERTED = enum.auto()
    """What it should map is not there."""
    BREAK_OFF = enum.auto()
    """An answer whose pieces are void, since an error ends it."""
    HANG = enum.auto()
    """Read the question and say nothing until `let_go` is set, then answer."""
    HANG_WITHIN_PARTS = enum.auto()
    """Send the first piece of the answer, and the rest when `let_go` is set."""
    POUR = enum.auto()
    """Send an answer of many large pieces, as fast as they are taken."""
    DEAF = enum.auto()
    """Read nothing any more."""
    DIE_BEFORE_READING = enum.auto()
    DIE_AFTER_READING = enum.auto()
    DIE_WITHIN_ANSWER = enum.auto()
    DIE_WITHIN_PARTS = enum.auto()


UNREADING = (Manner.DEAF, Manner.DIE_BEFORE_READING)
"""What leaves questions where they are; so for all questions, never for those to one model."""
DYING = (Manner.DIE_AFTER_READING, Manner.DIE_WITHIN_ANSWER, Manner.DIE_WITHIN_PARTS)
WITHIN_PARTS = (Manner.HANG_WITHIN_PARTS, Manner.DIE_WITHIN_PARTS)
POURED = [b"x" * 60_000] * 100


class FakeWorker:
    """A worker at the door `path` while its context lasts."""

    def __init__(
        self, path: Path, *, pid: int | None = None, generation: int = 0, most: int = 1000
    ) -> None:
        self.path = path
        self.hello = Hello(os.getpid() if pid is None else pid, generation)
        self.most = most
        self.manners: dict[str, Manner] = {}
        """Model -> what is done with its questions, instead of `manner`."""
        self.by_body: dict[bytes, Manner] = {}
        """Body -> what is done with such questions, above all."""
        self.asked: list[Question] = []
        """Questions it has read."""
        self.together: list[int] = []
        """How many came at once, each time."""
        self.models: dict[str, None] = {}
        """Those it has in memory, the least recently used first."""
        self.reading = asyncio.Event()
        """Set when it has read a question it hangs on."""
        self.let_go = asyncio.Event()
        self.poured = 0
        """How many large pieces have been taken from it."""
        self.dead = asyncio.Event()
        self._manner = Manner.ANSWER
        self._transport: asyncio.Transport | None = None
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def manner(self) -> Manner:
        """What is done with questions from now on."""
        return self._manner

    @manner.setter
    def manner(self, manner: Manner) -> None:
        self._manner = manner
        if self._transport is not None and not self.dead.is_set():
            self._read_or_not(self._transport)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Accepted(self), self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()
        if self._server is not None:
            await self._server.wait_closed()
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
            while True:
                message = await read_message(reader)
                if isinstance(message, Together):
                    asked = [await read_message(reader) for _ in range(message.count)]
                    await self._answer_together(asked, writer)
                else:
                    await self._hear(message, writer)
                await writer.drain()

    def let_in(self, transport: asyncio.BaseTransport) -> None:
        """The gateway has connected; called before anything it sends is read."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read_or_not(transport)

    def _read_or_not(self, transport: asyncio.Transport) -> None:
        if self.manner not in UNREADING:
            transport.resume_reading()
            return
        transport.pause_reading()
        if self.manner is Manner.DIE_BEFORE_READING:
            # The kernel tells when something lies there; that it is not taken is the point.
            waiting = os.dup(transport.get_extra_info("socket").fileno())
            loop = asyncio.get_running_loop()

            def die() -> None:
                loop.remove_reader(waiting)
                os.close(waiting)
                self.dead.set()

            loop.add_reader(waiting, die)

    async def _hear(self, message: Message, writer: asyncio.StreamWriter) -> None:
        match message:
            case Drop(models):
                for name in models:
                    self.models.pop(name, None)
                writer.write(encode(Done()))
            case Question():
                await self._answer(message, writer)
            case _:
                raise DoorError("not for a worker")

    async def _answer_together(self, asked: list[Message], writer: asyncio.StreamWriter) -> None:
        """Answer questions in one computing: what one of them does happens to all."""
        self.together.append(len(asked))
        answers = []
        for question in asked:
            if not isinstance(question, Question):
                raise DoorError("no question")
            answers.append(await self.answered(question))
        writer.writelines(map(encode, answers))

    async def _answer(self, question: Question, writer: asyncio.StreamWriter) -> None:
        manner = self._manner_for(question)
        if manner is Manner.DIE_WITHIN_ANSWER:
            writer.write(encode(Answer(200, TEXT, b"ok"))[:-1])
            await writer.drain()
        if manner in WITHIN_PARTS:
            writer.write(encode(Part(f"ok {question.model}".encode(), TEXT)))
            await writer.drain()
        if manner is Manner.POUR:
            for piece in POURED:
                writer.write(encode(Part(piece, TEXT)))
                await writer.drain()
                self.poured += 1
        answer = await self.answered(question)
        if manner is Manner.POUR:
            answer = dataclasses.replace(answer, body=b"")
        if manner is Manner.HANG_WITHIN_PARTS:
            answer = dataclasses.replace(answer, body=b" %d" % len(question.body))
        if manner in (Manner.ANSWER_IN_PARTS, Manner.BREAK_OFF):
            body = answer.body
            writer.write(encode(Part(body[:4], TEXT)) + encode(Part(body[4:])))
            answer = dataclasses.replace(answer, body=b"")
        if manner is Manner.BREAK_OFF:
            answer = Answer(503, TEXT, b"broken off")
        writer.write(encode(answer))

    def _manner_for(self, question: Question) -> Manner:
        manner = self.manners.get(question.model, self.manner)
        return self.by_body.get(bytes(question.body), manner)

    async def answered(self, question: Question) -> Answer:
        """The whole answer to a question, which may come another way than through the door.

        Raises ConnectionError where it dies instead.
        """
        self.asked.append(question)
        manner = self._manner_for(question)
        body = f"ok {question.model} {len(question.body)}".encode()
        if manner in (Manner.HANG, Manner.HANG_WITHIN_PARTS):
            self.reading.set()
            await self.let_go.wait()
        elif manner in DYING:
            raise ConnectionError
        elif manner is Manner.FAIL_TO_LOAD:
            failure = b'{"type": "ArtifactError", "message": "bad", "status": 500}'
            return Answer(500, TEXT, failure, is_unloadable=True)
        elif manner is Manner.NOT_CONVERTED:
            return Answer(503, TEXT, b"not converted", is_unloadable=True)
        load_s, dropped = self._load(question.model)
        return Answer(200, TEXT, body, load_s, dropped=dropped)

    def _load(self, name: str) -> tuple[float, list[str]]:
        if name in self.models:
            self.models[name] = self.models.pop(name)
            return 0.0, []
        dropped = list(self.models)[: max(0, len(self.models) - self.most + 1)]
        for gone in dropped:
            del self.models[gone]
        self.models[name] = None
        return 0.001, dropped


class _Accepted(asyncio.StreamReaderProtocol):
    """A connection to the door."""

    def __init__(self, worker: FakeWorker) -> None:
        super().__init__(asyncio.StreamReader(), worker._serve)
        self._worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._worker.let_in(transport)
        super().connection_made(transport)


async def read_message(reader: asyncio.StreamReader) -> Message:
    """One message. Raises DoorError, asyncio.IncompleteReadError, ConnectionError."""
    kind, head_bytes, body_bytes = lengths(await reader.readexactly(PREFIX.size))
    head = await reader.readexactly(head_bytes)
    return decode(kind, head, await reader.readexactly(body_bytes))
