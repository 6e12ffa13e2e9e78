"""The words a worker and its gateway exchange over the worker's own socket, the *door*.

One frame is a prefix (version, kind, two lengths), a head and a body. The head is a list of strings
joined by NUL, which no name, path or header may hold; the body is bytes as they are. A worker is
sent one `Question` or `Drop` at a time and answers it by one `Answer` or `Done`, an answer that
comes in pieces being preceded by `Part`s. After `Together` come several questions to one model,
which it may compute at once; the answers come in their order, none in pieces. When the gateway
connects, the worker says `Hello` first.

Pure: from messages to bytes and back. Who sends when is for `mme.prefork` (the worker's side) and
`mme.workers` (the gateway's).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

VERSION = 4
PREFIX = struct.Struct("!BBII")
"""Version, kind, bytes of the head, bytes of the body."""
SEPARATOR = "\0"
IN_PARTS = "p"
HELLO, QUESTION, DROP, DONE, PART, ANSWER, TOGETHER = range(1, 8)
MOST_TOGETHER = 1024
HEAD_LIMIT_BYTES = 1024 * 1024
BODY_LIMIT_BYTES = 1 << 31


class DoorError(ValueError):
    """Bytes that are no frame of this version, or a message that cannot be one."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The worker is there."""

    pid: int
    generation: int
    """Of the template it was forked from."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request to one model; without `model` to the one the worker was started for."""

    model: str
    model_dir: str
    scratch_dir: str
    headers: Mapping[str, str]
    body: bytes | bytearray
    answer_limit_bytes: int | None = None
    """The largest answer; None: as the worker was told when it started."""
    in_parts: bool = False
    """Whether the answer is wanted in pieces of moderate size, each as soon as it is there."""
    target: str = ""
    """What its caller calls the model, for the log."""
    request_id: str = ""
    """What the log calls the request."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget these models, by name; those that are not there are no matter."""

    models: Sequence[str]


@dataclass(frozen=True, slots=True)
class Done:
    """What was told has been done."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an answer's body, before the `Answer` with the rest.

    An answer of 400 or more makes the pieces before it void: the work broke off.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """The answer's, with its first piece; names in lower case."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of an answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    load_s: float = 0.0
    """How long loading the model for it took; 0 if it was there."""
    is_unloadable: bool = False
    """The model could not be loaded, so it did not see the request; the body says why."""
    dropped: Sequence[str] = ()
    """Models the worker let go since its last answer to have room for others."""


@dataclass(frozen=True, slots=True)
class Together:
    """So many questions follow, to one model, to be answered when all have come."""

    count: int
    """From 2 to MOST_TOGETHER."""


Message: TypeAlias = "Hello | Question | Drop | Done | Part | Answer | Together"


def encode(message: Message) -> bytes:
    """The frame of a message. Raises DoorError for a head that holds a NUL or is too long."""
    body: bytes | bytearray = b""
    match message:
        case Question():
            return beginning(message) + message.body
        case Answer(status, headers, body, load_s, is_unloadable, dropped):
            flags = "1" if is_unloadable else ""
            head = [str(status), repr(load_s), flags, str(len(dropped)), *dropped, *_flat(headers)]
            kind = ANSWER
        case Part(body, headers):
            kind, head = PART, _flat(headers)
        case Drop(models):
            kind, head = DROP, [*models]
        case Done():
            kind, head = DONE, []
        case Hello(pid, generation):
            kind, head = HELLO, [str(pid), str(generation)]
        case Together(count):
            kind, head = TOGETHER, [str(count)]
    return _frame(kind, head, body)


def beginning(question: Question) -> bytes:
    """The frame of a question but for its body, which follows as it is. Raises DoorError."""
    limit = "" if question.answer_limit_bytes is None else str(question.answer_limit_bytes)
    named = (
        question.model, question.model_dir, question.scratch_dir,
        question.target, question.request_id,
    )  # fmt: skip
    head = [*named, limit, IN_PARTS if question.in_parts else "", *_flat(question.headers)]
    return _beginning(QUESTION, head, len(question.body))


def lengths(prefix: bytes | memoryview) -> tuple[int, int, int]:
    """Kind, bytes of the head, bytes of the body. Raises DoorError."""
    version, kind, head_bytes, body_bytes = PREFIX.unpack(prefix)
    if version != VERSION:
        raise DoorError(f"a frame of version {version}, wanted is {VERSION}")
    if not HELLO <= kind <= TOGETHER or head_bytes > HEAD_LIMIT_BYTES:
        raise DoorError(f"a frame of kind {kind} with a head of {head_bytes} bytes")
    if body_bytes > BODY_LIMIT_BYTES:
        raise DoorError(f"a frame with a body of {body_bytes} bytes")
    return kind, head_bytes, body_bytes


def decode(kind: int, head: bytes, body: bytes | bytearray) -> Message:
    """The message of a frame. Raises DoorError."""
    try:
        fields = head.decode("utf-8", "surrogateescape").split(SEPARATOR) if head else []
        return _READERS[kind](fields, body)
    except KeyError:
        raise DoorError(f"a frame of kind {kind}") from None
    except ValueError as error:
        raise DoorError(f"a frame of kind {kind} that cannot be read: {error}") from None


def _question(fields: list[str], body: bytes | bytearray) -> Question:
    model, model_dir, scratch_dir, target, request_id, limit, flags, *flat = fields
    return Question(
        model, model_dir, scratch_dir, _paired(flat), body,
        answer_limit_bytes=int(limit) if limit else None,
        in_parts=flags == IN_PARTS,
        target=target,
        request_id=request_id,
    )  # fmt: skip


def _answer(fields: list[str], body: bytes) -> Answer:
    status, load_s, flags, count, *rest = fields
    dropped, flat = rest[: int(count)], rest[int(count) :]
    if len(dropped) != int(count):
        raise DoorError("an answer that names fewer models than it says")
    if not 0 <= float(load_s) < math.inf:
        raise DoorError(f"an answer that took {load_s} s to load")
    return Answer(int(status), _paired(flat), body, float(load_s), flags == "1", dropped)


def _hello(fields: list[str]) -> Hello:
    pid, generation = map(int, fields)
    return Hello(pid, generation)


def _together(fields: list[str]) -> Together:
    (count,) = map(int, fields)
    if not 1 < count <= MOST_TOGETHER:
        raise DoorError(f"{count} questions together")
    return Together(count)


_READERS: Mapping[int, Callable[[list[str], bytes | bytearray], Message]] = {
    HELLO: lambda fields, _: _hello(fields),
    QUESTION: _question,
    DROP: lambda fields, _: Drop(fields),
    DONE: lambda *_: Done(),
    PART: lambda fields, body: Part(bytes(body), _paired(fields)),
    ANSWER: lambda fields, body: _answer(fields, bytes(body)),
    TOGETHER: lambda fields, _: _together(fields),
}


def _frame(kind: int, head: Sequence[str], body: bytes | bytearray) -> bytes:
    return _beginning(kind, head, len(body)) + body


def _beginning(kind: int, head: Sequence[str], body_bytes: int) -> bytes:
    joined = SEPARATOR.join(head)
    if joined.count(SEPARATOR) != max(0, len(head) - 1):
        raise DoorError("a name, path or header that holds a NUL")
    try:
        encoded = joined.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise DoorError(f"a name, path or header that is no text: {error}") from None
    if len(encoded) > HEAD_LIMIT_BYTES or body_bytes > BODY_LIMIT_BYTES:
        raise DoorError(f"a head of {len(encoded)} bytes, a body of {body_bytes}")
    return PREFIX.pack(VERSION, kind, len(encoded), body_bytes) + encoded


def _flat(headers: Mapping[str, str]) -> list[str]:
    return [text for pair in headers.items() for text in pair]


def _paired(flat: list[str]) -> dict[str, str]:
    if len(flat) % 2:
        raise DoorError("a header without a value")
    return dict(zip(flat[::2], flat[1::2], strict=True))
